"""Compare the last days in VictoriaMetrics with the portal's data, and explain differences."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from zoneinfo import ZoneInfo

from ..databases.victoriametrics import VictoriaMetrics
from ..databases.vm_flags import DAY
from ..errors import DatabaseError
from ..formatting import counted, local_time
from ..intervals.model import Location, LocationKey, Meter
from ..metrics.exposition import escaped
from ..metrics.families import METER_VALUES, values_of
from .findings import Finding, failed, ok, skipped, warning
from .stored_series import ADDRESS, STORED_STEP, SeriesKey, StoredData, collect_stored, mistakes, series_of
from .vm_settings import NO_NEEDS, Needs, deduplication, page_size, retention

STEP = "database"

_LAST_DECIMAL = 5e-7  # of kWh and USD: docs/samples.md, "Intervals and days"
_FAMILIES = "|".join(each.family.name for each in METER_VALUES)
_LONGEST_HISTORY = "20y"
_UTC = ZoneInfo("UTC")

ValueKey = tuple[str, int]
"""A meter and the end of one of its intervals or days, in seconds UTC."""


@dataclass(frozen=True, slots=True)
class PortalValues:
    """The portal's data of one location in (since, until], which a database should hold. Seconds UTC.

    steps: the resolution of each meter in seconds. values: for each series by the end of its interval or day.
    midnights: the ends of local days from `since` until now.
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
        """Build it from meters with their intervals and days, as /metrics is built."""
        location = Location(key, meters=tuple(meters))
        steps = {meter.info.number: meter.info.step for meter in location.meters}
        values: dict[SeriesKey, dict[int, float]] = defaultdict(dict)
        for family, labels, samples in values_of(location):
            own = values[series_of({"__name__": family.name, **labels})]
            for stamp, value in zip(*samples, strict=True):
                if since < (end := ceil(stamp / 1000)) <= until:
                    own[end] = value
        return cls(key, since, until, steps, values, frozenset(midnights))

    @property
    def selector(self) -> str:
        """A query for every sample of the location that carries the time of an interval."""
        wanted = ",".join(f'{name}="{escaped(value)}"' for name, value in asdict(self.key).items())
        return f'{{__name__=~"{_FAMILIES}",{wanted}}}'


def stored_findings(
    vm: VictoriaMetrics,
    locations: Sequence[PortalValues],
    now: float,
    *,
    page_bytes: int | None = None,
    has_others: bool = False,
    needs: Needs = NO_NEEDS,
) -> list[Finding]:
    """Read back the last days of these locations and judge the database by them; FAILED only if it does not answer.

    now: seconds UTC. page_bytes: the size of the interval page as text, if it is known. has_others: there are other
    locations whose data or numbers the portal did not send. needs: of all locations.
    """
    if not vm.reads_back:
        advice = "set query_url, such as http://vmselect:8481/select/0/prometheus with the tenant from url"
        return [warning(STEP, "url points to vminsert, which cannot be queried", advice)]
    findings: list[tuple[str, Finding]] = []
    try:
        vm.ping()
        flags = vm.flags()
        oldest: list[float] = []
        repeated = False
        for recent in locations:
            # Until now, not `until`: samples that lost their own time have that of a scrape.
            parts = vm.export(recent.selector, recent.since * 1000 + 1, int(now * 1000))
            found = collect_stored(parts, recent.steps)
            first = [when for _, when in vm.query(f"min(tfirst_over_time({recent.selector}[{_LONGEST_HISTORY}]))", now)]
            oldest += first
            repeated |= found.repeated > 0
            address = vm.reading.target.address
            own = judged(recent, found, now, oldest=min(first, default=None), is_cluster=vm.is_cluster, address=address)
            findings += ((recent.key.location, each) for each in own)
    except DatabaseError as error:
        return [*_by_text(findings), failed(STEP, str(error))]
    is_asked = bool(locations) and not has_others
    who = "other locations" if locations else "locations"
    about_all = (
        None if is_asked else skipped(STEP, f"{who} not read back; the portal sent no data to compare with"),
        retention(flags, min(oldest, default=None), now, STEP, is_asked=is_asked, first=needs.first),
        None if repeated else deduplication(flags, STEP, needs.shortest),
        None if page_bytes is None else page_size(page_bytes, flags, STEP),
    )
    return [*filter(None, about_all), *_by_text(findings)]


def _by_text(findings: Iterable[tuple[str, Finding]]) -> Iterator[Finding]:
    """Merge equal findings of several locations, and show an advice only once."""
    locations: dict[Finding, list[str]] = defaultdict(list)
    for location, finding in findings:
        locations[finding].append(location)
    shown: set[tuple[str, str]] = set()
    for finding, own in locations.items():
        about = f"location {own[0]}" if len(own) == 1 else f"for {counted(len(own), 'location')}"
        advice = (finding.advice, finding.command)
        is_new = advice not in shown
        shown.add(advice)
        known = finding if is_new or not finding.advice else replace(finding, advice="as above", command="")
        yield replace(known, text=f"{about}: {finding.text}")


def judged(
    recent: PortalValues,
    found: StoredData,
    now: float,
    *,
    oldest: float | None,
    is_cluster: bool = False,
    address: str = ADDRESS,
) -> Iterator[Finding]:
    """Judge what is stored of one location.

    oldest: the time of the oldest sample of any age, in seconds UTC; None if nothing is stored. Whatever the portal has
    since then must be there: /metrics carried it together with that sample, or later. What is older was never sent.
    """
    if oldest is None and not (found.samples or found.stale):
        advice = (
            "the first scrape comes within 15 minutes of the scraper's start; check that the smarthub_intervals job has"
            " a target that is up, or run smarthub-exporter backfill --start first"
        )
        yield warning(STORED_STEP, "nothing stored yet", advice)
        return
    yield from mistakes(found, STORED_STEP, is_cluster=is_cluster, address=address)
    if found.samples == found.astray > 0:
        return
    yield from _foreign_days(recent, found)
    expected = recent if oldest is None else replace(recent, since=max(recent.since, ceil(oldest) - 1))
    compared = [*_compared(expected, found, _INTERVALS, now), *_compared(expected, found, _DAYS, now)]
    yield from compared or [skipped(STORED_STEP, "the portal has no intervals for the stored days to compare with")]


def _foreign_days(recent: PortalValues, found: StoredData) -> Iterator[Finding]:
    """Report day totals stored under another timezone: they stay next to the right ones until they are deleted."""
    ends = {
        (dict(labels).get("meter", ""), end)
        for (family, labels), values in found.values.items()
        if family.startswith(_DAYS)
        for end in values
        if end not in recent.midnights
    }
    if ends:
        text = f"{counted(len(ends), _NOUNS[_DAYS])} whose end is not a local midnight; sums count these days twice"
        advice = (
            "they were stored under another timezone; delete the smarthub_day_* series of this location from the"
            " database, then run smarthub-exporter backfill --start first"
        )
        yield warning(STORED_STEP, text, advice)


_INTERVALS, _DAYS = "smarthub_interval_", "smarthub_day_"
_NOUNS = {_INTERVALS: "interval", _DAYS: "day total"}


def _compared(recent: PortalValues, found: StoredData, prefix: str, now: float) -> Iterator[Finding]:
    """Report what is missing and what differs; an interval matches only if all its samples do."""
    wanted, missing, differing = _items(recent, found, prefix)
    total = f"{counted(len(wanted), _NOUNS[prefix])} of the last {counted(round((now - recent.since) / DAY), 'day')}"

    def start(items: Collection[ValueKey]) -> int:
        return min(end - (DAY if prefix == _DAYS else recent.steps.get(meter, 0)) for meter, end in items)

    def when(items: Collection[ValueKey]) -> str:
        return f"{local_time(start(items), _UTC)} UTC"

    def backfill(items: Collection[ValueKey]) -> str:
        # Two more: for today, and because the local day may have started a day before the interval.
        return f"run smarthub-exporter backfill --days {int(now - start(items)) // DAY + 2}"

    if missing:
        text = f"missing {len(missing):,} of {total}"
        if _only_newest(missing, wanted):
            advice = "check that the scrape target is up; the newest values arrive with the next refresh and scrape"
            yield warning(STORED_STEP, f"{text}, all since {when(missing)}", advice)
        else:
            yield warning(STORED_STEP, f"{text}, first at {when(missing)}", backfill(missing))
    if differing:
        text = f"values differ from the portal in {len(differing):,} of {total}, first at {when(differing)}"
        advice = f"the next refresh and scrape fix those inside `window`; for older ones, {backfill(differing)}"
        yield warning(STORED_STEP, text, advice)
    if wanted and not missing and not differing:
        yield ok(STORED_STEP, f"values match the portal in {total}")


def _items(recent: PortalValues, found: StoredData, prefix: str) -> tuple[set[ValueKey], set[ValueKey], set[ValueKey]]:
    """Return what should be stored, which of it is missing, and which has another value."""
    pairs = [
        ((dict(labels).get("meter", ""), end), value, found.values.get((family, labels), {}).get(end))
        for (family, labels), values in recent.values.items()
        if family.startswith(prefix)
        for end, value in values.items()
        if end > recent.since
    ]
    missing = {item for item, _, stored in pairs if stored is None}
    differing = {item for item, value, stored in pairs if stored is not None and abs(stored - value) > _LAST_DECIMAL}
    return {item for item, _, _ in pairs}, missing, differing - missing


def _only_newest(missing: set[ValueKey], wanted: set[ValueKey]) -> bool:
    """Whether every missing item is newer than everything stored of the same meter."""
    newest = dict(sorted(wanted - missing))
    return all(end > newest.get(meter, 0) for meter, end in missing)
