"""Whether a VictoriaMetrics holds what the portal gave in the last days, and if not, which mistake it was."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from ..databases.victoriametrics import VictoriaMetrics
from ..databases.vm_flags import DAY
from ..errors import DatabaseError
from ..intervals.model import LocationKey, Meter
from ..metrics.exposition import escaped
from ..metrics.families import TIMESTAMPED
from .findings import Finding, Verdict
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
        known = tuple(meters)
        values: dict[SeriesKey, dict[int, float]] = {}
        for meter in known:
            labels = {
                "portal": key.portal,
                "account": key.account,
                "location": key.location,
                "meter": meter.info.number,
            }
            for each in TIMESTAMPED:
                for period, value, stamp in each.samples(meter):
                    end = ceil(stamp / 1000)
                    if since < end <= until:
                        series = series_of({"__name__": each.family.name, **labels, "period": period})
                        values.setdefault(series, {})[end] = value
        steps = {meter.info.number: meter.info.step for meter in known}
        return cls(key, since, until, steps, values, frozenset(midnights))

    @property
    def selector(self) -> str:
        """Everything that is stored of the location with the time of an interval."""
        labels = {"portal": self.key.portal, "account": self.key.account, "location": self.key.location}
        wanted = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
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
        return [Finding(Verdict.WARNING, STEP, "cannot read back: url is the one of a vminsert", advice)]
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
        return [*findings, Finding(Verdict.FAILED, STEP, str(error))]
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
    return Finding(Verdict.SKIPPED, STEP, f"{who}not read back: the portal gave nothing{what} to compare with")


def _oldest(vm: VictoriaMetrics, recent: PortalValues, now: float) -> list[float]:
    """The time of the oldest sample, in seconds UTC, if there is one."""
    return [when for _, when in vm.query(f"min(tfirst_over_time({recent.selector}[{_LONGEST_HISTORY}]))", now)]


def judged(recent: PortalValues, found: StoredData, now: float, *, has_history: bool) -> Iterator[Finding]:
    """What is to say of one location."""
    step = _step(recent)
    if not (found.samples or found.stale or has_history):
        text = "nothing of this location is stored"
        advice = (
            "see whether the scrape job of the intervals is there and its target up, or run smarthub-exporter backfill"
        )
        yield Finding(Verdict.WARNING, step, text, advice)
        return
    yield from mistakes(found, step)
    if found.samples == found.astray > 0:
        return
    yield from _foreign_days(recent, found)
    compared = [*_compared(recent, found, _INTERVALS, now), *_compared(recent, found, _DAYS, now)]
    yield from compared or [Finding(Verdict.SKIPPED, step, "the portal has no intervals of these days to compare with")]


def _foreign_days(recent: PortalValues, found: StoredData) -> Iterator[Finding]:
    """Day totals from when another zone was configured: they lie beside the right ones, and nothing deletes them."""
    ends = {
        (dict(labels).get("meter", ""), end)
        for (family, labels), values in found.values.items()
        if family.startswith(_DAYS.prefix)
        for end in values
        if end not in recent.midnights
    }
    if ends:
        end = "ends" if len(ends) == 1 else "end"
        text = f"{_count(len(ends), _DAYS.noun)} {end} at no local midnight, so sums count these days twice"
        advice = (
            "another timezone was configured when they were stored: delete the series smarthub_day_* of this location"
            " in the database, then run smarthub-exporter backfill"
        )
        yield Finding(Verdict.WARNING, _step(recent), text, advice)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Intervals or whole days: what their families begin with, and how one is called."""

    prefix: str
    noun: str
    is_day: bool


_INTERVALS = _Kind("smarthub_interval_", "interval", is_day=False)
_DAYS = _Kind("smarthub_day_", "day total", is_day=True)


def _compared(recent: PortalValues, found: StoredData, kind: _Kind, now: float) -> Iterator[Finding]:
    """What is missing of the portal's, and what differs; an interval is the same only with all its samples."""
    step = _step(recent)
    wanted, missing, differing = _items(recent, found, kind)
    days = max(1, round((now - recent.since) / DAY))
    total = f"{_count(len(wanted), kind.noun)} of the last {f'{days} days' if days > 1 else 'day'}"

    def start(items: Collection[ValueKey]) -> int:
        return min(end - (DAY if kind.is_day else recent.steps.get(meter, 0)) for meter, end in items)

    def backfill(items: Collection[ValueKey]) -> str:
        # Two more: today counts, and the local day may have begun a day before the interval did.
        return f"smarthub-exporter backfill --days {int(now - start(items)) // DAY + 2}"

    if missing:
        are, since = "is" if len(missing) == 1 else "are", _moment(start(missing))
        if _only_newest(missing, wanted):
            text = f"{len(missing)} of {total} {are} missing since {since}"
            advice = "see whether the target of the scrape job is up; the newest come with the next refresh and scrape"
        else:
            text = f"{len(missing)} of {total} {are} missing, the first from {since}"
            advice = f"{backfill(missing)} brings {'it' if len(missing) == 1 else 'them'}"
        yield Finding(Verdict.WARNING, step, text, advice)
    if differing:
        differ, since = "differs" if len(differing) == 1 else "differ", _moment(start(differing))
        text = f"{len(differing)} of {total} {differ} from the portal's, the first from {since}"
        advice = f"the next refresh and scrape correct what the window carries, {backfill(differing)} the rest"
        yield Finding(Verdict.WARNING, step, text, advice)
    if wanted and not missing and not differing:
        yield Finding(Verdict.OK, step, f"{total} {'equals' if len(wanted) == 1 else 'equal'} the portal's")


def _items(recent: PortalValues, found: StoredData, kind: _Kind) -> tuple[set[ValueKey], set[ValueKey], set[ValueKey]]:
    """All that should be there, what of it is missing, and what else of it has another value."""
    wanted: set[ValueKey] = set()
    missing: set[ValueKey] = set()
    differing: set[ValueKey] = set()
    for series, values in recent.values.items():
        family, labels = series
        if not family.startswith(kind.prefix):
            continue
        meter, stored = dict(labels).get("meter", ""), found.values.get(series, {})
        for end, value in values.items():
            wanted.add((meter, end))
            if end not in stored:
                missing.add((meter, end))
            elif abs(stored[end] - value) > _LAST_DECIMAL:
                differing.add((meter, end))
    return wanted, missing, differing - missing


def _only_newest(missing: set[ValueKey], wanted: set[ValueKey]) -> bool:
    """Whether nothing that is there is younger than something of the same meter that is missing."""
    newest: dict[str, int] = {}
    for meter, end in wanted - missing:
        newest[meter] = max(end, newest.get(meter, end))
    return all(end > newest.get(meter, 0) for meter, end in missing)


def _step(recent: PortalValues) -> str:
    return f"{STEP} {recent.key.location}"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _moment(instant: int) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d %H:%M} UTC"
