"""Write to VictoriaMetrics and read back, since a status 204 proves nothing.

See docs/samples.md, "Proof".
"""

import math
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import lt

import msgspec

from ..clock import Clock
from ..config import VictoriaMetricsConfig
from ..databases.victoriametrics import StoredSeries, VictoriaMetrics
from ..databases.vm_flags import DAY, MONTH
from ..errors import DatabaseError
from ..intervals.samples import amount, timestamp_ms
from ..metrics.exposition import escaped
from ..metrics.families import LOCATION_INFOS, TIMESTAMPED, series_of
from .base import DEFAULT_PATIENCE, Chunk, Patience, Sink, Written
from .readback import Visibility, count, digest, missing, not_kept

_ENCODE = msgspec.json.Encoder().encode
_IMPORT = "/api/v1/import"
_PROBE = "smarthub_backfill_probe"
_SAMPLES_PER_LINE = 10_000
_SNAPSHOT_SPACE = 1024**3  # bytes; merges of parts that a snapshot still holds need more space
_TRIES = 3
_FAMILIES = "|".join(each.family.name for each in TIMESTAMPED)
_INFOS = frozenset(each.family.name for each in LOCATION_INFOS)
_NAMES = frozenset(("__name__", *(label for each in TIMESTAMPED for label in each.family.labels)))
_PERIODS = "smarthub_interval_tou_usage_kwh"
_LAST_DECIMAL = 5e-7  # half of the last decimal of kWh and USD: docs/samples.md, "Intervals and days"

Labels = tuple[tuple[str, str], ...]
Sample = tuple[int, float]
"""A timestamp in ms and a value."""


@dataclass(frozen=True, slots=True)
class Column(Mapping[int, Sample]):
    """The samples of a series by their second, which is the last one of the interval; sorted by time.

    Two columns are compared at once. Only where they differ is a mapping made.
    """

    stamps: Sequence[int]
    numbers: Sequence[float]

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "Column":
        """Return the column of samples, in any order."""
        every = sorted(samples)
        return cls([stamp for stamp, _ in every], [value for _, value in every])

    def __len__(self) -> int:
        return len(self.stamps)

    def __iter__(self) -> Iterator[int]:
        return (stamp // 1000 for stamp in self.stamps)

    def __getitem__(self, second: int) -> Sample:
        place = bisect_left(self.stamps, second * 1000)
        if place == len(self) or self.stamps[place] // 1000 != second:
            raise KeyError(second)
        return self.stamps[place], self.numbers[place]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Column):
            return NotImplemented
        return self.stamps == other.stamps and self.numbers == other.numbers

    def __hash__(self) -> int:
        return hash(tuple(self.stamps))

    def packed(self) -> bytes:
        """Return all samples as bytes, the same for the same samples."""
        return array("q", self.stamps).tobytes() + array("d", self.numbers).tobytes()


Contents = Mapping[Labels, Column]
_EMPTY = Column([], [])


class VictoriaMetricsSink(Sink):
    """The configured VictoriaMetrics."""

    def __init__(self, config: VictoriaMetricsConfig, clock: Clock, patience: Patience = DEFAULT_PATIENCE) -> None:
        self._clock = clock
        self.settling = patience.settling
        self._database = VictoriaMetrics(config)
        self._visibility = Visibility(self._database.writing, clock, patience.visible)
        self._probe_wait = patience.probe
        self._probe: Contents = {}
        self._may_snapshot = config.snapshots
        self._extra = dict(config.extra_labels)
        self.name = self._database.writing.target.name
        self.title = f"VictoriaMetrics at {self._database.writing.target.address}"
        self.identity = repr((config.url, config.extra_labels))

    def open(self, oldest: int) -> list[str]:
        """Check that it answers queries; return a note if its retention is too short."""
        if not self._database.reads_back:
            raise self._database.writing.target.error(
                "url points to vminsert, which cannot be queried",
                "set query_url, such as http://vmselect:8481/select/0/prometheus, with the same tenant as url",
            )
        self._database.ping()
        flags = self._database.flags()
        self._may_snapshot &= self._database.is_one_node(flags)
        return self._visibility.learn(flags, oldest)

    def begin(self) -> None:
        """If url and query_url differ, check that a sample sent to one appears at the other.

        See docs/samples.md, "Proof".
        """
        reading, writing = self._database.reading, self._database.writing
        if reading is writing:
            return
        if not self._probe:
            stamp = int(self._clock.now() * 1000)
            probe = {tuple(sorted({**self._extra, "__name__": _PROBE}.items())): Column([stamp], [1.0])}
            self._send(probe)
            self._probe = probe  # sent once, even if reading it is retried
        if not self._visibility.wait(self._probes, lambda found: {} if found else self._probe, self._probe_wait):
            raise writing.target.error(
                f"the sample {_PROBE} was sent to url and did not appear at query_url ({reading.target.address}) within"
                f" {self._probe_wait:.0f} s; nothing else was sent",
                "check that both are the same database and tenant, that a vmagent or proxy in between passes it on, and"
                " that the clocks of both machines agree, then run the same command again",
            )

    def _probes(self) -> list[StoredSeries]:
        """Return what is stored of the probe; a later one of another run may hide it."""
        ((series, samples),) = self._probe.items()
        (stamp,) = samples.stamps
        return list(self._database.export(f"{{{_matchers(dict(series))}}}", stamp, stamp + DAY * 1000))

    def write(self, chunk: Chunk) -> Written:
        """Send missing and different samples; read back until all are stored."""
        wanted = _wanted(chunk, self._extra)
        stored = self._stored(chunk)
        _take_back_periods(chunk, wanted, stored)
        todo = _todo(wanted, stored)
        corrected = {
            (labels["meter"], second)
            for series, samples in todo.items()
            if (labels := dict(series))["__name__"].startswith("smarthub_interval_")
            for second in samples.keys() & stored.get(series, _EMPTY).keys()
        }
        values = {series: samples for series, samples in stored.items() if dict(series)["__name__"] not in _INFOS}
        gone = len(missing(values, wanted))
        sent = 0
        for _ in range(_TRIES):
            if not todo:
                break
            self._send(todo)
            sent += count(todo)
            stored = self._visibility.wait(lambda: self._stored(chunk), lambda found: _todo(wanted, found))
            todo = _todo(wanted, stored)
        if todo:
            raise self._not_kept(wanted, stored, todo)
        return Written(chunk.key, chunk.start, chunk.end, sent, len(corrected), gone, digest(stored, Column.packed))

    def still_holds(self, written: Written) -> bool:
        """Check whether the chunk is still stored unchanged."""
        return digest(self._stored(written), Column.packed) == written.digest

    def make_snapshot(self) -> str:
        """Make a snapshot of a single node with enough free disk space."""
        if not self._may_snapshot or self._database.free_disk() < _SNAPSHOT_SPACE:
            return ""
        return self._database.create_snapshot()

    def instance(self) -> str:
        """Return when a single node was started; empty if it does not say."""
        return self._database.start_time() if self._may_snapshot else ""

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot."""
        self._database.delete_snapshot(name)

    def finish(self) -> None:
        """Reset the result cache, which a cluster does not do by itself.

        See docs/samples.md, "Cached answers".
        """
        self._database.forget_answers()

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _stored(self, place: Chunk | Written) -> dict[Labels, Column]:
        """Return the last version in each second of the location's series."""
        own = {**asdict(place.key), **self._extra}
        selector = f'{{__name__=~"{_FAMILIES}",{_matchers(own)}}}'
        found: dict[Labels, list[StoredSeries]] = defaultdict(list)
        for part in self._database.export(selector, place.start * 1000, place.end * 1000 - 1):
            if not part.labels.keys() - own.keys() - _NAMES:  # a label added by a scrape makes it a different series
                found[tuple(sorted(part.labels.items()))].append(part)
        columns = {series: _last_versions(parts) for series, parts in found.items()}
        return {series: column for series, column in columns.items() if column}

    def _send(self, todo: Contents) -> None:
        lines = [
            _ENCODE({"metric": dict(series), "values": column.numbers[piece], "timestamps": column.stamps[piece]})
            for series, column in todo.items()
            for first in range(0, len(column), _SAMPLES_PER_LINE)
            for piece in [slice(first, first + _SAMPLES_PER_LINE)]
        ]
        self._database.writing.post(_IMPORT, b"\n".join(lines))

    def _not_kept(self, wanted: Contents, stored: Contents, todo: Contents) -> DatabaseError:
        """Explain why samples that were accepted with status 204 are not stored."""
        target = self._database.writing.target
        total = count(wanted)
        lost = missing(todo, stored)
        if not lost:
            return target.error(
                f"{count(todo):,} of {total:,} samples still have an older value after newer ones were sent",
                "start it with -dedup.minScrapeInterval=1s",
            )
        what = not_kept(total, "samples", lost)
        # A cluster does not report its retention, which may be the default.
        kept_from = self._clock.now() - MONTH + DAY if self._visibility.period is None else self._visibility.kept_from
        if max(lost) < kept_from:
            what += ", because they are older than its retention"
            advice = "start it with -retentionPeriod=10y and run the same command again"
        else:
            advice = "check its -retentionPeriod, its -dedup.minScrapeInterval and its log"
        return target.error(what, advice)


def _matchers(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())


def _last_versions(parts: Sequence[StoredSeries]) -> Column:
    """Return the last version in each second, without stale markers."""
    if len(parts) == 1:
        stamps, values = parts[0].stamps, parts[0].values
        seconds = [stamp // 1000 for stamp in stamps]
        if all(map(lt, seconds, seconds[1:])) and not any(map(math.isnan, values)):
            return Column(stamps, values)
    samples = sorted(sample for part in parts for sample in zip(part.stamps, part.values, strict=True))
    last = {stamp // 1000: (stamp, value) for stamp, value in samples if not math.isnan(value)}
    return Column.of(last.values())


def _wanted(chunk: Chunk, extra: Mapping[str, str]) -> dict[Labels, Column]:
    """Return the samples of a chunk, as /metrics would serve them."""
    return {
        tuple(sorted({**extra, "__name__": family.name, **{k: v for k, v in labels.items() if v}}.items())): Column(
            *samples
        )
        for family, labels, samples in series_of(chunk.location)
    }


def _take_back_periods(chunk: Chunk, wanted: dict[Labels, Column], stored: Contents) -> None:
    """Zero stored rate periods if other periods now have all of the energy.

    The portal no longer mentions such a period, and the stored sample would count the energy twice:
    docs/samples.md, "Rate periods".
    """
    moved = {
        (meter.info.number, each.end - 1): timestamp_ms(each.end, max(k for _, _, k in each.periods))
        for meter in chunk.meters
        if stored and meter.intervals.periods
        for each in meter.intervals
        if each.periods and each.usage is not None and amount(sum(kwh for _, kwh, _ in each.periods)) == each.usage
    }
    for series, samples in stored.items():
        labels = dict(series)
        if labels["__name__"] == _PERIODS:
            own = wanted.get(series, _EMPTY)
            stamps = (moved.get((labels["meter"], second)) for second in samples.keys() - own.keys())
            if zeros := [(stamp, 0.0) for stamp in stamps if stamp is not None]:
                wanted[series] = Column.of([*own.values(), *zeros])


def _todo(wanted: Contents, stored: Contents) -> dict[Labels, Column]:
    """Return the samples to send, each later than the stored one it replaces.

    All stay within the last second of their interval.
    """
    todo: dict[Labels, Column] = {}
    for series, column in wanted.items():
        before = stored.get(series)
        if before is None:
            todo[series] = column
        elif before != column:
            known = dict(before)
            late = [
                (min(max(stamp, old[0] + 1 if old else 0), second * 1000 + 999), value)
                for second, (stamp, value) in column.items()
                if (old := known.get(second)) is None or abs(old[1] - value) > _LAST_DECIMAL
            ]
            if late:
                todo[series] = Column.of(late)
    return todo
