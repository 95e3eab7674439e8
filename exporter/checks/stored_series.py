"""What a database holds of one location: its values, and the signs of common mistakes."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..databases.victoriametrics import StoredSeries
from ..formatting import counted
from ..metrics.families import DATA_LABELS
from .findings import Finding, ok, warning

Labels = tuple[tuple[str, str], ...]
"""The labels of a series, sorted."""

SeriesKey = tuple[str, Labels]
"""A family and the labels that the exporter sets, sorted; those that a scrape adds are left out."""

_OWN = frozenset((*DATA_LABELS, "period"))
_OF_SCRAPES = frozenset(("job", "instance"))
_QUARTER = 900
_FINEST = 300

STORED_STEP = "stored data"
ADDRESS = "http://victoriametrics:8428"
SCRAPED = ('job!=""', 'instance!=""')
"""Conditions on the labels of scraped series."""

_FAMILIES = '__name__=~"smarthub_(interval|day)_.*_(kwh|watts|usd|info)"'

HONOR = (
    "set honor_timestamps: true in the smarthub_intervals scrape job, delete the series with wrong timestamps as below,"
    " then run smarthub-exporter backfill --start first"
)
DEDUP = "start VictoriaMetrics with -dedup.minScrapeInterval=1s"
DEDUP_OF_CLUSTER = "start vmselect and vmstorage with -dedup.minScrapeInterval=1s"
NO_STALE_MARKERS = (
    "start the scraper (VictoriaMetrics or vmagent) with -promscrape.noStaleMarkers, then run smarthub-exporter"
    " backfill --start first to restore what they hide"
)
LABELDROP = (
    'add metric_relabel_configs: [{action: labeldrop, regex: "instance|job"}] to the smarthub_intervals scrape job,'
    " then delete the series with these labels as below and run smarthub-exporter backfill --start first"
)


def series_of(labels: Mapping[str, str]) -> SeriesKey:
    """Return which of the exporter's series this is, whatever labels were added to it."""
    own = sorted((name, value) for name, value in labels.items() if name in _OWN and value)
    return labels["__name__"], tuple(own)


@dataclass(frozen=True, slots=True)
class StoredData:
    """What was found.

    values: the newest version for each interval or day, by its end in seconds UTC. series, samples: how many are
    stored, without stale markers. astray: samples outside the last second of any interval. repeated: seconds of a
    series with more than one sample. stale: stale markers. scraped: series with `job` or `instance`. doubled: series
    stored with several values of these labels, or both with and without them. others: further labels in which copies of
    a series differ.
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
    """Summarize an export that was made with deduplication. Memory grows with the intervals, not with their copies.

    steps: the resolution of each meter, in seconds.
    """
    samples = astray = stale = 0
    newest: dict[Labels, dict[int, tuple[int, float]]] = defaultdict(dict)
    repeated: set[tuple[Labels, int]] = set()
    for part in parts:
        # UTC offsets are multiples of 15 minutes, so hours and days can end on any quarter hour.
        grid = math.gcd(steps.get(part.labels.get("meter", ""), _FINEST), _QUARTER)
        labels = tuple(sorted(part.labels.items()))
        own = newest[labels]
        for stamp, value in zip(part.stamps, part.values, strict=True):
            if math.isnan(value):
                stale += 1
                continue
            samples += 1
            end = _end(stamp)
            # Versions go from 1 to 999, so no sample is on an edge: docs/samples.md, "Timestamps and versions".
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
    """Return the end, in seconds, of the interval whose sample has this time in milliseconds."""
    return -(-stamp // 1000)


def delete_command(address: str, *conditions: str, is_cluster: bool = False) -> str:
    """Return the shell command that deletes intervals and days.

    address: of the database, without its path. conditions: on labels; series that meet any of them are deleted.
    """
    tenant = "/delete/0/prometheus" if is_cluster else ""
    selectors = (f"{{{','.join(filter(None, (_FAMILIES, each)))}}}" for each in conditions or ("",))
    matches = " ".join(f"--data-urlencode 'match[]={each}'" for each in selectors)
    return f"curl {address}{tenant}/api/v1/admin/tsdb/delete_series {matches}"


def mistakes(found: StoredData, step: str, *, is_cluster: bool = False, address: str = ADDRESS) -> Iterator[Finding]:
    """Warn about each common mistake of a scrape job or a database; say ok if there is none.

    address: of the VictoriaMetrics, without its path. is_cluster: whether it is one. The mistakes: docs/samples.md,
    "Explicit timestamps", "Copies", "Stale markers" and "Labels".
    """
    again = "sums count each copy"
    series = f"{found.series:,} series"
    dedup = DEDUP_OF_CLUSTER if is_cluster else DEDUP
    possible = (
        (
            found.astray,
            f"{found.astray:,} of {found.samples:,} samples have the time of a scrape instead of their interval",
            HONOR,
        ),
        (found.repeated, f"{counted(found.repeated, 'value')} stored more than once; {again}", dedup),
        (found.stale, f"{counted(found.stale, 'stale marker')} hiding values", NO_STALE_MARKERS),
        (found.scraped, f"{found.scraped:,} of {series} have a job or instance label", LABELDROP),
        (found.doubled, f"{found.doubled:,} series stored with different job and instance labels; {again}", LABELDROP),
        (
            len(found.others),
            f"series stored more than once, with different {' and '.join(found.others)} labels; {again}",
            "set the same labels in the scrape job and in extra_labels of victoriametrics",
        ),
    )
    commands = {
        HONOR: delete_command(address, is_cluster=is_cluster),
        LABELDROP: delete_command(address, *SCRAPED, is_cluster=is_cluster),
    }
    warnings = [
        warning(step, text, advice, command=commands.get(advice, "")) for count, text, advice in possible if count
    ]
    yield from warnings
    if not warnings and found.samples:
        yield ok(step, f"{found.samples:,} samples in {series}, each stored once, in the last second of its interval")
