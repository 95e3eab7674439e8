"""What a database holds of one location, as it was exported: its values, and the traces of classic mistakes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import gcd

from ..databases.victoriametrics import StoredSeries
from ..metrics.families import DATA_LABELS
from .findings import Finding, Verdict

SeriesKey = tuple[str, tuple[tuple[str, str], ...]]
"""A family and those labels that the exporter gives, sorted: what a scrape or a database adds is left out."""

_OWN = frozenset((*DATA_LABELS, "period"))
_OF_SCRAPES = frozenset(("job", "instance"))
_QUARTER = 900
_FINEST = 300

HONOR = (
    "set honor_timestamps: true in the scrape job of the intervals; what is stored wrongly goes by deleting the series,"
    " then run smarthub-exporter backfill"
)
DEDUP = "start VictoriaMetrics with -dedup.minScrapeInterval=1s (in a cluster: vmselect and vmstorage)"
NO_STALE_MARKERS = (
    "start the scraper (VictoriaMetrics or vmagent) with -promscrape.noStaleMarkers; smarthub-exporter backfill brings"
    " back what they hide"
)
LABELDROP = (
    'add metric_relabel_configs: [{action: labeldrop, regex: "instance|job"}] to the scrape job of the intervals, then'
    " delete the series that have these labels"
)


def series_of(labels: Mapping[str, str]) -> SeriesKey:
    """Which of the exporter's series it is, whatever labels were added to it."""
    own = sorted((name, value) for name, value in labels.items() if name in _OWN and value)
    return labels["__name__"], tuple(own)


@dataclass(frozen=True, slots=True)
class StoredData:
    """What was found.

    values: of each interval or day, by its end in seconds UTC, the newest version.
    series, samples: how many are stored; a stale marker is no sample.
    astray: samples outside the last second of any interval. repeated: seconds of a series with several samples.
    stale: stale markers. scraped: series with `job` or `instance`. doubled: series stored under several such labels,
    or with and without. others: labels in which copies of a series differ otherwise.
    """

    values: Mapping[SeriesKey, Mapping[int, float]]
    series: int
    samples: int
    astray: int
    repeated: int
    stale: int
    scraped: int
    doubled: int
    others: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    """One stored series while its parts come in."""

    samples: int = 0
    astray: int = 0
    stale: int = 0
    newest: dict[int, tuple[int, float]] = field(default_factory=dict)
    repeated: set[int] = field(default_factory=set)

    def add(self, stamp: int, value: float | None, grid: int) -> None:
        if value is None:
            self.stale += 1
            return
        self.samples += 1
        end = -(-stamp // 1000)
        # An edge of an interval is not in it: k goes from 1 to 999 (contract 3).
        if end % grid or stamp % 1000 == 0:
            self.astray += 1
        before = self.newest.get(end)
        if before is not None:
            self.repeated.add(end)
        if before is None or stamp >= before[0]:
            self.newest[end] = stamp, value


def collect_stored(parts: Iterable[StoredSeries], steps: Mapping[str, int]) -> StoredData:
    """Take stock of an export with deduplication. Memory grows with the intervals, not with their copies.

    steps: the resolution of each meter, in seconds.
    """
    tallies: dict[tuple[tuple[str, str], ...], _Tally] = defaultdict(_Tally)
    for part in parts:
        # Zones are whole quarters of an hour from UTC: hours and days may end on any of them.
        grid = gcd(steps.get(part.labels.get("meter", ""), _FINEST), _QUARTER)
        tally = tallies[tuple(sorted(part.labels.items()))]
        for stamp, value in part.samples:
            tally.add(stamp, value, grid)
    copies: dict[SeriesKey, list[dict[str, str]]] = defaultdict(list)
    newest: dict[SeriesKey, dict[int, tuple[int, float]]] = defaultdict(dict)
    for labels, tally in tallies.items():
        series = series_of(dict(labels))
        copies[series].append(dict(labels))
        for end, found in tally.newest.items():
            newest[series][end] = max(found, newest[series].get(end, found), key=lambda sample: sample[0])
    added = [{name for name, _ in _difference(each)} for each in copies.values()]
    return StoredData(
        values={series: {end: value for end, (_, value) in sorted(found.items())} for series, found in newest.items()},
        series=len(tallies),
        samples=sum(each.samples for each in tallies.values()),
        astray=sum(each.astray for each in tallies.values()),
        repeated=sum(len(each.repeated) for each in tallies.values()),
        stale=sum(each.stale for each in tallies.values()),
        scraped=sum(any(name in _OF_SCRAPES for name, _ in labels) for labels in tallies),
        doubled=sum(bool(names & _OF_SCRAPES) for names in added),
        others=tuple(sorted({name for names in added for name in names - _OF_SCRAPES})),
    )


def _difference(copies: list[dict[str, str]]) -> set[tuple[str, str]]:
    """The labels in which copies of a series differ."""
    sets = [set(labels.items()) for labels in copies]
    return set().union(*sets) - sets[0].intersection(*sets)


def mistakes(found: StoredData, step: str) -> Iterator[Finding]:
    """A warning for each classic mistake of a scrape job or a database; one line that all is well where there is none.

    Sources: tsdb-facts C1 (timestamps), C2 (copies), C4 (stale markers), C9 (labels).
    """
    before = False

    def warning(text: str, advice: str) -> Finding:
        nonlocal before
        before = True
        return Finding(Verdict.WARNING, step, text, advice)

    if found.astray:
        text = f"{found.astray} of {found.samples} samples have the time of a scrape, not of their interval"
        yield warning(text, HONOR)
    if found.repeated:
        yield warning(f"{_counted(found.repeated, 'value')} stored more than once, so sums count them again", DEDUP)
    if found.stale:
        yield warning(f"{found.stale} stale marker{'s' * (found.stale > 1)} among the values", NO_STALE_MARKERS)
    if found.scraped:
        yield warning(f"{found.scraped} of {found.series} series have the labels job or instance", LABELDROP)
    if found.doubled:
        text = f"{_counted(found.doubled, 'series')} stored with and without job and instance, so sums count them again"
        yield warning(text, LABELDROP)
    if found.others:
        text = f"series are stored several times, with different {' and '.join(found.others)}: sums count them again"
        yield warning(text, "give the scrape job and extra_labels of victoriametrics the same labels")
    if not before and found.samples:
        text = f"{found.samples} samples in {found.series} series, each once and in the last second of its interval"
        yield Finding(Verdict.OK, step, text)


def _counted(count: int, noun: str) -> str:
    if noun == "series":
        return f"{count} series {'is' if count == 1 else 'are'}"
    return f"{count} {noun} is" if count == 1 else f"{count} {noun}s are"
