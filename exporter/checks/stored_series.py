"""What a database holds of one location, as it was exported: its values, and the traces of classic mistakes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import gcd

from ..databases.victoriametrics import StoredSeries
from ..formatting import counted
from ..metrics.families import DATA_LABELS
from .findings import Finding, by_count, ok, warning

Labels = tuple[tuple[str, str], ...]
"""The labels of a series, sorted."""

SeriesKey = tuple[str, Labels]
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


def collect_stored(parts: Iterable[StoredSeries], steps: Mapping[str, int]) -> StoredData:
    """Take stock of an export with deduplication. Memory grows with the intervals, not with their copies.

    steps: the resolution of each meter, in seconds.
    """
    samples = astray = stale = 0
    newest: dict[Labels, dict[int, tuple[int, float]]] = defaultdict(dict)
    repeated: set[tuple[Labels, int]] = set()
    for part in parts:
        # Zones are whole quarters of an hour from UTC: hours and days may end on any of them.
        grid = gcd(steps.get(part.labels.get("meter", ""), _FINEST), _QUARTER)
        labels = tuple(sorted(part.labels.items()))
        own = newest[labels]
        for stamp, value in part.samples:
            if value is None:
                stale += 1
                continue
            samples += 1
            end = _end(stamp)
            # An edge of an interval is not in it: k goes from 1 to 999 (contract 3).
            astray += end % grid != 0 or stamp % 1000 == 0
            if end in own:
                repeated.add((labels, end))
            own[end] = max((stamp, value), own.get(end, (stamp, value)))
    copies: dict[SeriesKey, list[frozenset[tuple[str, str]]]] = defaultdict(list)
    found: dict[SeriesKey, list[tuple[int, float]]] = defaultdict(list)
    for labels, own in newest.items():
        series = series_of(dict(labels))
        copies[series].append(frozenset(labels))
        found[series] += own.values()
    added = [{name for name, _ in frozenset.union(*each) - frozenset.intersection(*each)} for each in copies.values()]
    return StoredData(
        values={series: {_end(stamp): value for stamp, value in sorted(each)} for series, each in found.items()},
        series=len(newest),
        samples=samples,
        astray=astray,
        repeated=len(repeated),
        stale=stale,
        scraped=sum(any(name in _OF_SCRAPES for name, _ in labels) for labels in newest),
        doubled=sum(bool(names & _OF_SCRAPES) for names in added),
        others=tuple(sorted({name for names in added for name in names - _OF_SCRAPES})),
    )


def _end(stamp: int) -> int:
    """The end in seconds of the interval whose sample has this time in milliseconds."""
    return -(-stamp // 1000)


def mistakes(found: StoredData, step: str) -> Iterator[Finding]:
    """A warning for each classic mistake of a scrape job or a database; one line that all is well where there is none.

    Sources: tsdb-facts C1 (timestamps), C2 (copies), C4 (stale markers), C9 (labels).
    """
    again, series = "so sums count them again", f"{found.series} series"
    stored, doubled = by_count(found.repeated, "is", "are"), by_count(found.doubled, "is", "are")
    possible = (
        (
            found.astray,
            f"{found.astray} of {found.samples} samples have the time of a scrape, not of their interval",
            HONOR,
        ),
        (found.repeated, f"{counted(found.repeated, 'value')} {stored} stored more than once, {again}", DEDUP),
        (found.stale, f"{counted(found.stale, 'stale marker')} among the values", NO_STALE_MARKERS),
        (found.scraped, f"{found.scraped} of {series} have the labels job or instance", LABELDROP),
        (
            found.doubled,
            f"{found.doubled} series {doubled} stored with and without job and instance, {again}",
            LABELDROP,
        ),
        (
            len(found.others),
            f"series are stored several times, with different {' and '.join(found.others)}: sums count them again",
            "give the scrape job and extra_labels of victoriametrics the same labels",
        ),
    )
    warnings = [warning(step, text, advice) for count, text, advice in possible if count]
    yield from warnings
    if not warnings and found.samples:
        yield ok(step, f"{found.samples} samples in {series}, each once and in the last second of its interval")
