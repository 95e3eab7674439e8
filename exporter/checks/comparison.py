"""Whether a VictoriaMetrics holds what the portal gave in the last days, and if not, which mistake it was."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import ceil

from ..databases.victoriametrics import VictoriaMetrics
from ..databases.vm_flags import DAY
from ..errors import DatabaseError
from ..formatting import counted
from ..intervals.model import LocationKey, Meter
from ..metrics.exposition import escaped
from ..metrics.families import TIMESTAMPED
from .findings import Finding, by_count, failed, ok, skipped, warning
from .stored_series import SeriesKey, StoredData, collect_stored, mistakes, series_of
from .vm_settings import deduplication, page_size, retention

STEP = "victoriametrics"

_LAST_DECIMAL = 5e-7  # of kWh and USD (contract 3)
_FAMILIES = "|".join(each.family.name for each in TIMESTAMPED)
_LONGEST_HISTORY = "20y"

ValueKey = tuple[str, int]
"""A meter and the end of one of its intervals or days."""


@dataclass(frozen=True, slots=True)
class PortalValues:
    """What the portal gave of one location in (since, until], seconds UTC, and hence what a database should hold.

    steps: the resolution of each meter in seconds. values: of each series by the end of its interval or day. midnights:
    where local days end, from `since` until now.
    """

    key: LocationKey
    since: int
    until: int
    steps: Mapping[str, int]
    values: Mapping[SeriesKey, Mapping[int, float]]
    midnights: frozenset[int]

    @classmethod
    def of(
        cls, key: LocationKey, meters: Iterable[Meter], since: int, until: int, midnights: Iterable[int]
    ) -> "PortalValues":
        """Made of meters with their intervals and days, as /metrics is."""
        steps: dict[str, int] = {}
        values: dict[SeriesKey, dict[int, float]] = defaultdict(dict)
        for meter in meters:
            steps[meter.info.number] = meter.info.step
            for each in TIMESTAMPED:
                labels = {"__name__": each.family.name, **asdict(key), "meter": meter.info.number}
                for period, value, stamp in each.samples(meter):
                    end = ceil(stamp / 1000)
                    if since < end <= until:
                        values[series_of({**labels, "period": period})][end] = value
        return cls(key, since, until, steps, values, frozenset(midnights))

    @property
    def step(self) -> str:
        """The step of `check` that its findings belong to."""
        return f"{STEP} {self.key.location}"

    @property
    def selector(self) -> str:
        """Everything that is stored of the location with the time of an interval."""
        wanted = ",".join(f'{name}="{escaped(value)}"' for name, value in asdict(self.key).items())
        return f'{{__name__=~"{_FAMILIES}",{wanted}}}'


def stored_findings(
    vm: VictoriaMetrics,
    locations: Sequence[PortalValues],
    now: float,
    *,
    page_bytes: int | None = None,
    has_others: bool = False,
) -> list[Finding]:
    """Read back the last days of some locations and judge the database by them. Warnings; FAILED only without answer.

    now: seconds UTC. page_bytes: the size of the page of the intervals as text, if it is known. has_others: the portal
    did not give these days of other locations, or did not even tell them.
    """
    if not vm.reads_back:
        advice = "set query_url, such as http://vmselect:8481/select/0/prometheus with the tenant of url"
        return [warning(STEP, "cannot read back: url is the one of a vminsert", advice)]
    findings: list[Finding] = []
    try:
        vm.ping()
        flags = vm.flags()
        oldest: list[float] = []
        repeated = False
        for recent in locations:
            # Until now, whatever is expected: that is where scrapes stamp what has lost its own time.
            parts = vm.export(recent.selector, recent.since * 1000 + 1, int(now * 1000))
            found = collect_stored(parts, recent.steps)
            first = _oldest(vm, recent, now)
            oldest += first
            repeated |= found.repeated > 0
            findings += judged(recent, found, now, has_history=bool(first))
    except DatabaseError as error:
        return [*findings, failed(STEP, str(error))]
    is_asked = bool(locations) and not has_others
    about_all = (
        None if is_asked else _not_asked(locations),
        retention(flags, min(oldest, default=None), now, STEP, is_asked=is_asked),
        None if repeated else deduplication(flags, STEP),
        None if page_bytes is None else page_size(page_bytes, flags, STEP),
    )
    return [*findings, *filter(None, about_all)]


def _not_asked(locations: Sequence[PortalValues]) -> Finding:
    who, what = ("the other locations are ", " of them") if locations else ("", "")
    return skipped(STEP, f"{who}not read back: the portal gave nothing{what} to compare with")


def _oldest(vm: VictoriaMetrics, recent: PortalValues, now: float) -> list[float]:
    """The time of the oldest sample, in seconds UTC, if there is one."""
    return [when for _, when in vm.query(f"min(tfirst_over_time({recent.selector}[{_LONGEST_HISTORY}]))", now)]


def judged(recent: PortalValues, found: StoredData, now: float, *, has_history: bool) -> Iterator[Finding]:
    """What is to say of one location."""
    if not (found.samples or found.stale or has_history):
        advice = (
            "see whether the scrape job of the intervals is there and its target up, or run smarthub-exporter backfill"
        )
        yield warning(recent.step, "nothing of this location is stored", advice)
        return
    yield from mistakes(found, recent.step)
    if found.samples == found.astray > 0:
        return
    yield from _foreign_days(recent, found)
    compared = [*_compared(recent, found, _INTERVALS, now), *_compared(recent, found, _DAYS, now)]
    yield from compared or [skipped(recent.step, "the portal has no intervals of these days to compare with")]


def _foreign_days(recent: PortalValues, found: StoredData) -> Iterator[Finding]:
    """Day totals from when another zone was configured: they lie beside the right ones, and nothing deletes them."""
    ends = {
        (dict(labels).get("meter", ""), end)
        for (family, labels), values in found.values.items()
        if family.startswith(_DAYS)
        for end in values
        if end not in recent.midnights
    }
    if ends:
        end = by_count(len(ends), "ends", "end")
        text = f"{counted(len(ends), _NOUNS[_DAYS])} {end} at no local midnight, so sums count these days twice"
        advice = (
            "another timezone was configured when they were stored: delete the series smarthub_day_* of this location"
            " in the database, then run smarthub-exporter backfill"
        )
        yield warning(recent.step, text, advice)


_INTERVALS, _DAYS = "smarthub_interval_", "smarthub_day_"
_NOUNS = {_INTERVALS: "interval", _DAYS: "day total"}


def _compared(recent: PortalValues, found: StoredData, prefix: str, now: float) -> Iterator[Finding]:
    """What is missing of the portal's, and what differs; an interval is the same only with all its samples."""
    wanted, missing, differing = _items(recent, found, prefix)
    days = max(1, round((now - recent.since) / DAY))
    total = f"{counted(len(wanted), _NOUNS[prefix])} of the last {f'{days} days' if days > 1 else 'day'}"

    def start(items: Collection[ValueKey]) -> int:
        return min(end - (DAY if prefix == _DAYS else recent.steps.get(meter, 0)) for meter, end in items)

    def backfill(items: Collection[ValueKey]) -> str:
        # Two more: today counts, and the local day may have begun a day before the interval did.
        return f"smarthub-exporter backfill --days {int(now - start(items)) // DAY + 2}"

    if missing:
        count = len(missing)
        text, since = f"{count} of {total} {by_count(count, 'is', 'are')} missing", _moment(start(missing))
        if _only_newest(missing, wanted):
            advice = "see whether the target of the scrape job is up; the newest come with the next refresh and scrape"
            yield warning(recent.step, f"{text} since {since}", advice)
        else:
            advice = f"{backfill(missing)} brings {by_count(count, 'it', 'them')}"
            yield warning(recent.step, f"{text}, the first from {since}", advice)
    if differing:
        text = f"{len(differing)} of {total} {by_count(len(differing), 'differs', 'differ')} from the portal's"
        advice = f"the next refresh and scrape correct what the window carries, {backfill(differing)} the rest"
        yield warning(recent.step, f"{text}, the first from {_moment(start(differing))}", advice)
    if wanted and not missing and not differing:
        yield ok(recent.step, f"{total} {by_count(len(wanted), 'equals', 'equal')} the portal's")


def _items(recent: PortalValues, found: StoredData, prefix: str) -> tuple[set[ValueKey], set[ValueKey], set[ValueKey]]:
    """All that should be there, what of it is missing, and what else of it has another value."""
    pairs = [
        ((dict(labels).get("meter", ""), end), value, found.values.get((family, labels), {}).get(end))
        for (family, labels), values in recent.values.items()
        if family.startswith(prefix)
        for end, value in values.items()
    ]
    missing = {item for item, _, stored in pairs if stored is None}
    differing = {item for item, value, stored in pairs if stored is not None and abs(stored - value) > _LAST_DECIMAL}
    return {item for item, _, _ in pairs}, missing, differing - missing


def _only_newest(missing: set[ValueKey], wanted: set[ValueKey]) -> bool:
    """Whether nothing that is there is younger than something of the same meter that is missing."""
    newest = dict(sorted(wanted - missing))
    return all(end > newest.get(meter, 0) for meter, end in missing)


def _moment(instant: int) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d %H:%M} UTC"
