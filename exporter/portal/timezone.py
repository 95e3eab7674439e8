"""Which zone a portal's clock keeps: the evidence, and the verdict on a zone.

An answer shows the portal's offset if its points begin and end with the range that was asked for, shifted by the same
offset (docs/portal.md, "Which zone"). Gaps, late data and other labels shift one end only, and show nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import combinations
from zoneinfo import ZoneInfo

from .placement import day_steps
from .us_timezones import STANDARD_ZONES, US_ZONES, is_summer, may_change, offset_at
from .usage_answer import UsageAnswer

_QUARTER = 900
_FARTHEST = 15 * 3600  # no two zones of the US are further apart
_DAY = 86400


@dataclass(frozen=True, slots=True)
class OffsetEvidence:
    """How far the portal's clock was ahead of UTC from `start` to `end`, in seconds."""

    start: int
    end: int
    offset: int

    def agrees(self, zone: ZoneInfo) -> bool:
        """Check whether a zone had this offset then."""
        return offset_at(zone, self.start) == self.offset


def evidence_in(answer: UsageAnswer, start: int, end: int) -> tuple[OffsetEvidence, ...]:
    """Return the evidence in an HOURLY answer: one UTC offset, or nothing.

    start, end: the range that was requested, in seconds UTC.
    """
    walls, step = walls_and_step(answer)
    if not step:
        return ()
    if walls[-1] - walls[0] == end - start:
        walls.pop()  # one point too many for the range: this portal includes the end bound
    first, last = walls[0] - start, walls[-1] + step - end
    if first != last or abs(first) > _FARTHEST or first % _QUARTER or may_change(start, end):
        return ()
    return (OffsetEvidence(start, end, first),)


def begins_late(answer: UsageAnswer, start: int) -> bool:
    """Check whether the first point of an HOURLY answer is one step after the wall time at which its range starts."""
    walls, step = walls_and_step(answer)
    return step > 0 and walls[0] == start + step


def walls_and_step(answer: UsageAnswer) -> tuple[list[int], int]:
    """Return the wall times of all points in order, and the shortest step; 0 if none."""
    walls = sorted({wall for series in answer.usage for wall, _ in series.points})
    return walls, min(day_steps(walls, answer.interval_ends).values(), default=0)


def bills_fit(zone: ZoneInfo, reads: Iterable[int]) -> bool:
    """Check whether most read dates of bills are at local midnights.

    reads: the read dates, in seconds UTC.
    """
    plausible = [instant for instant in set(reads) if instant % _QUARTER == 0]
    at_midnight = [instant for instant in plausible if (instant + offset_at(zone, instant)) % _DAY == 0]
    return 2 * len(at_midnight) > len(plausible)


class ZoneState(Enum):
    """What is known of a configured zone."""

    UNKNOWN = auto()
    """There is no evidence."""
    FITS = auto()
    PARTLY = auto()
    """It fits some of the evidence."""
    END_LABELS = auto()
    """Only the read dates of bills fit it: the portal seems to label intervals with their end."""
    NO_ZONE = auto()
    """No zone fits all evidence."""
    SUSPECT = auto()
    """All evidence is against it, but there is too little for a verdict."""
    CONTRADICTED = auto()


_PROBLEMS = {
    ZoneState.PARTLY: ("not all of the portal's times match {zone}", "{cure}"),
    ZoneState.END_LABELS: (
        "the portal's billing dates match {zone}, its other times do not",
        "keep {zone}; the portal may label its intervals with their end",
    ),
    ZoneState.NO_ZONE: (
        "the portal's times match no time zone of a US co-op, so {zone} cannot be verified",
        "compare an hour of use with the SmartHub website",
    ),
    ZoneState.SUSPECT: ("so far, the portal's times do not match {zone}", "{cure}"),
    ZoneState.CONTRADICTED: ("the portal's times do not match {zone}", "{cure}"),
}


@dataclass(frozen=True, slots=True)
class ZoneVerdict:
    """The verdict on a zone.

    others: if this zone does not fit, the zones that fit all evidence, most likely first.
    """

    state: ZoneState = ZoneState.UNKNOWN
    others: tuple[str, ...] = ()
    zone: str = ""

    @property
    def is_contradicted(self) -> bool:
        """Whether the portal's data contradict the zone."""
        return self.state is ZoneState.CONTRADICTED

    @property
    def fits(self) -> bool | None:
        """Whether the portal keeps this zone; None if that is not certain."""
        return {ZoneState.FITS: True, ZoneState.CONTRADICTED: False}.get(self.state)

    @property
    def problem(self) -> str:
        """What does not match the zone; empty if nothing is known to be wrong."""
        return _PROBLEMS.get(self.state, ("", ""))[0].format(zone=self.zone)

    @property
    def advice(self) -> str:
        """What to do about the problem."""
        return _PROBLEMS.get(self.state, ("", ""))[1].format(zone=self.zone, cure=zone_advice(self.others))

    @property
    def message(self) -> str:
        """The problem and the advice, for commands other than check; empty if nothing is known to be wrong."""
        return self.problem and f"{self.problem}; {self.advice}; run smarthub-exporter check"


def zone_advice(zones: Sequence[str]) -> str:
    """Say which zone to configure. zones: those that fit, most likely first."""
    if not zones:
        return "set timezone to the co-op's, such as America/New_York"
    others = f" ({' or '.join(zones[1:])} would also match)" if zones[1:] else ""
    return f"set timezone: {zones[0]}{others}"


def judge_zone(zone: ZoneInfo, evidence: Collection[OffsetEvidence], bill_reads: Collection[int] = ()) -> ZoneVerdict:
    """Judge a zone by everything that the answers of one login showed.

    It is contradicted if it fits no evidence, another zone fits all of it, at least two ranges are independent, and
    the read dates of bills do not fit it.
    """
    agreeing = sum(each.agrees(zone) for each in evidence)
    if agreeing == len(evidence):
        is_shown = evidence or bills_fit(zone, bill_reads)
        return ZoneVerdict(ZoneState.FITS if is_shown else ZoneState.UNKNOWN, zone=zone.key)
    if not agreeing and bills_fit(zone, bill_reads):
        return ZoneVerdict(ZoneState.END_LABELS, zone=zone.key)
    others = tuple(each for each in matching_zones(evidence) if each != zone.key)
    if agreeing:
        state = ZoneState.PARTLY
    elif not others:
        state = ZoneState.NO_ZONE
    else:
        state = ZoneState.CONTRADICTED if are_independent(evidence) else ZoneState.SUSPECT
    return ZoneVerdict(state, others, zone.key)


def are_independent(evidence: Iterable[OffsetEvidence]) -> bool:
    """Check that two of the ranges share no edge, where one gap could mislead both."""
    return any({one.start, one.end}.isdisjoint((other.start, other.end)) for one, other in combinations(evidence, 2))


def matching_zones(evidence: Collection[OffsetEvidence], bill_reads: Collection[int] = ()) -> tuple[str, ...]:
    """Return the zones that fit all evidence, most likely first.

    Without evidence these are the zones that fit the bills. Standard time all year is a candidate only if no zone of a
    co-op fits, with evidence from both seasons.
    """
    if not evidence:
        return tuple(name for name in US_ZONES if bills_fit(ZoneInfo(name), bill_reads))

    def fitting(names: Iterable[str]) -> list[str]:
        return [name for name in names if all(each.agrees(ZoneInfo(name)) for each in evidence)]

    zones = fitting(US_ZONES) or (fitting(STANDARD_ZONES) if has_both_seasons(evidence) else [])
    return tuple([name for name in zones if bills_fit(ZoneInfo(name), bill_reads)] or zones)


def has_both_seasons(evidence: Iterable[OffsetEvidence]) -> bool:
    """Check whether there is evidence from summer and from winter."""
    return len({is_summer(each.start) for each in evidence}) > 1
