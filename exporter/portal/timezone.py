"""Which zone a portal's wall clock keeps, told from what it answers (portal-facts 4.2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from .placement import day_steps
from .us_timezones import US_ZONES, may_change, offset_at
from .usage import UsageAnswer

DAY = 86400
_QUARTER = 900
_FARTHEST = 15 * 3600
_ENOUGH = 3


@dataclass(frozen=True, slots=True)
class OffsetEvidence:
    """How far the portal's clock was ahead of UTC at an instant; both in seconds, the offset modulo a day.

    certain: seen at both ends of a range; otherwise a gap in the data, or a bill that was not read at midnight, may
    have feigned it.
    """

    instant: int
    offset: int
    certain: bool = False


def evidence_in(answer: UsageAnswer, start: int, end: int) -> tuple[OffsetEvidence, ...]:
    """What an HOURLY answer for the real time from `start` to `end` shows: its first and last x against them."""
    walls = sorted({wall for series in answer.usage for wall, _ in series.points})
    step = min(day_steps(walls, dict(answer.interval_ends)).values(), default=0)
    if not step:
        return ()
    first, last = walls[0] - start, walls[-1] + step - end
    if abs(first) > _FARTHEST or first % _QUARTER:
        return ()
    # Over the change in spring an hour that is missing makes both ends look alike too.
    if first == last and not may_change(start, end):
        return (OffsetEvidence(start, first, certain=True), OffsetEvidence(end - 1, first, certain=True))
    return (OffsetEvidence(start, first),)


def evidence_of_bills(read_at: Iterable[int]) -> tuple[OffsetEvidence, ...]:
    """What the dates of meter readings for bills show: they are real instants at local midnight (portal-facts 4.1)."""
    return tuple(OffsetEvidence(instant, -instant % DAY) for instant in sorted(set(read_at)) if instant % _QUARTER == 0)


def zone_fits(zone: ZoneInfo, evidence: Sequence[OffsetEvidence]) -> bool | None:
    """Whether the portal can be of this zone; None where nothing was seen.

    Every certain sighting must agree, and of the others most. A single one that is not certain proves nothing against
    a zone.
    """
    if not evidence:
        return None
    agreeing = [each for each in evidence if _agrees(zone, each)]
    if any(each.certain and each not in agreeing for each in evidence):
        return False
    if any(each.certain for each in evidence) or 2 * len(agreeing) > len(evidence):
        return True
    return False if len(evidence) - len(agreeing) > 1 else None


def is_contradicted(zone: ZoneInfo, evidence: Sequence[OffsetEvidence]) -> bool:
    """Whether too much was seen, and all of it against a zone, for anything but a wrong one."""
    return len(evidence) >= _ENOUGH and not any(_agrees(zone, each) for each in evidence)


def matching_zones(evidence: Sequence[OffsetEvidence]) -> tuple[str, ...]:
    """The zones that fit best, the likeliest first; none where nothing was seen or nothing fits."""
    zones = [zone for zone in map(ZoneInfo, US_ZONES) if zone_fits(zone, evidence)]
    scores = {zone.key: sum(_agrees(zone, each) for each in evidence) for zone in zones}
    return tuple(name for name, score in scores.items() if score == max(scores.values()))


def _agrees(zone: ZoneInfo, each: OffsetEvidence) -> bool:
    return (offset_at(zone, each.instant) - each.offset) % DAY == 0
