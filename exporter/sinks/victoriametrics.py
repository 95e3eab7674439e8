"""Into VictoriaMetrics by its import API, and back out again: a 204 proves nothing (tsdb-facts D1, D6)."""

import json
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b

from ..clock import Clock
from ..config import VictoriaMetricsConfig
from ..databases.victoriametrics import FLUSH, VictoriaMetrics, visibility_timeout
from ..databases.vm_flags import DAY, MONTH, retention, retention_notes
from ..errors import DatabaseError
from ..intervals.model import LocationKey
from ..intervals.samples import amount, timestamp_ms
from ..metrics.exposition import escaped
from ..metrics.families import TIMESTAMPED
from .base import DEFAULT_PATIENCE, Chunk, Patience, Sink, Written

_IMPORT = "/api/v1/import"
_SAMPLES_PER_LINE = 10_000
_TRIES = 3
_FAMILIES = "|".join(each.family.name for each in TIMESTAMPED)
_NAMES = {"__name__", "meter", "period"}
_PERIODS = "smarthub_interval_tou_usage_kwh"
_LAST_DECIMAL = 5e-7  # of kWh and USD (contract 3)

Labels = tuple[tuple[str, str], ...]
Sample = tuple[int, float]
"""A timestamp in ms and a value."""
Contents = Mapping[Labels, Mapping[int, Sample]]
"""The samples of each series by the second in which they lie, which is the last one of their interval."""


class VictoriaMetricsSink(Sink):
    """A VictoriaMetrics as the configuration has it."""

    def __init__(self, config: VictoriaMetricsConfig, clock: Clock, patience: Patience = DEFAULT_PATIENCE) -> None:
        self._clock = clock
        self._waits = patience
        self.settling = patience.settling
        self._database = VictoriaMetrics(config)
        self._extra = dict(config.extra_labels)
        self._flushes = True
        self._period: float | None = None
        self.name = self._database.writing.target.name
        self.identity = repr((config.url, config.extra_labels))

    def open(self, oldest: int) -> list[str]:
        """Prove that it answers queries; tells where it keeps less than is to be written."""
        if not self._database.reads_back:
            raise self._database.writing.target.error(
                "url is the one of a vminsert, which gives nothing back",
                "set query_url, such as http://vmselect:8481/select/0/prometheus with the tenant of url",
            )
        self._database.ping()
        self._period = retention(self._database.flags())
        return retention_notes(self._period, oldest, self._clock.now())

    def write(self, chunk: Chunk) -> Written:
        """Send what is not there yet, or there with another value; read back until all of it is there."""
        wanted = _wanted(chunk, self._extra)
        stored = self._stored(chunk)
        _take_back_periods(chunk, wanted, stored)
        todo = _todo(wanted, stored)
        corrected = {
            (_meter(series), second)
            for series, samples in todo.items()
            for second in samples
            if second in stored.get(series, {}) and _is_interval(series)
        }
        gone = sum(len(samples.keys() - wanted.get(series, {}).keys()) for series, samples in stored.items())
        sent = 0
        for _ in range(_TRIES):
            if not todo:
                break
            self._send(todo)
            sent += sum(len(samples) for samples in todo.values())
            stored = self._seen(chunk, wanted)
            todo = _todo(wanted, stored)
        if todo:
            raise self._not_kept(wanted, stored, todo)
        return Written(chunk.key, chunk.start, chunk.end, sent, len(corrected), gone, _digest(stored))

    def still_holds(self, written: Written) -> bool:
        """Whether what was read back then is still what is there."""
        return _digest(self._stored(written)) == written.digest

    def finish(self) -> None:
        """Have cached answers forgotten (tsdb-facts C7); it does that by itself within seconds, a cluster does not."""
        self._database.forget_answers()

    def close(self) -> None:
        """End the connections."""
        self._database.close()

    def _stored(self, place: Chunk | Written) -> dict[Labels, dict[int, Sample]]:
        """What a query sees of the location's own series in this time: the last version in each second."""
        own = {**_labels(place.key), **self._extra}
        match = ",".join(f'{name}="{escaped(value)}"' for name, value in own.items())
        selector = f'{{__name__=~"{_FAMILIES}",{match}}}'
        found: dict[Labels, dict[int, Sample]] = defaultdict(dict)
        for part in self._database.export(selector, place.start * 1000, place.end * 1000 - 1):
            if part.labels.keys() - own.keys() - _NAMES:
                continue  # a scrape's labels make it another series
            seconds = found[tuple(sorted(part.labels.items()))]
            for stamp, value in part.samples:
                if value is None:
                    continue
                before = seconds.get(stamp // 1000)
                if before is None or (stamp, value) > before:
                    seconds[stamp // 1000] = stamp, value
        return found

    def _send(self, todo: Contents) -> None:
        lines = [
            json.dumps(
                {
                    "metric": dict(series),
                    "values": [value for _, value in samples],
                    "timestamps": [stamp for stamp, _ in samples],
                }
            )
            for series, by_second in todo.items()
            for samples in _pieces(sorted(by_second.values()))
        ]
        self._database.writing.post(_IMPORT, "\n".join(lines).encode())

    def _seen(self, chunk: Chunk, wanted: Contents) -> dict[Labels, dict[int, Sample]]:
        """What is stored, as soon as what was sent can be seen, or will hardly be seen any more."""
        started = self._clock.monotonic()
        while True:
            self._flush()
            stored = self._stored(chunk)
            # A value that takes the place of another one can take as long to be seen as a new one.
            todo = _todo(wanted, stored)
            waited = self._clock.monotonic() - started
            if not todo or waited > self._patience(todo):
                return stored
            self._clock.sleep(0.5)

    def _flush(self) -> None:
        if not self._flushes:
            return
        try:
            self._database.writing.get(FLUSH)
        except DatabaseError as error:
            if error.passes_by_itself:
                raise
            self._flushes = False  # a cluster, or a proxy that does not let us: then it takes its time

    def _patience(self, todo: Contents) -> float:
        kept_from = self._clock.now() - self._period if self._period is not None else 0.0
        newest = max(second for samples in todo.values() for second in samples)
        return visibility_timeout(newest, kept_from, self._waits.visible, flushes=self._flushes)

    def _not_kept(self, wanted: Contents, stored: Contents, todo: Contents) -> DatabaseError:
        """What became of samples that were taken with a 204 and are not there."""
        target = self._database.writing.target
        total = sum(len(samples) for samples in wanted.values())
        missing = [
            second for series, samples in todo.items() for second in samples if second not in stored.get(series, {})
        ]
        if not missing:
            count = sum(len(samples) for samples in todo.values())
            return target.error(
                f"{count} of {total} samples keep an older value although later ones were sent",
                "start it with -dedup.minScrapeInterval=1s",
            )
        first = f"{datetime.fromtimestamp(min(missing), UTC):%Y-%m-%d %H:%M} UTC"
        what = f"took {total} samples and did not keep {len(missing)} of them, from {first} on"
        period = MONTH - DAY if self._period is None else self._period
        if max(missing) < self._clock.now() - period:
            return target.error(
                f"{what}: it drops what is older than its retention",
                "start it with -retentionPeriod=10y and run the same command again",
            )
        if len(missing) == total:
            return target.error(what, "check that url and query_url are the same database and tenant, and read its log")
        return target.error(
            what,
            "a -dedup.minScrapeInterval longer than the meter's interval hides some, -retentionPeriod drops old ones:"
            " its log and its metrics vm_rows_ignored_total and vm_rows_invalid_total tell more",
        )


def _labels(key: LocationKey) -> dict[str, str]:
    return {"portal": key.portal, "account": key.account, "location": key.location}


def _wanted(chunk: Chunk, extra: Mapping[str, str]) -> dict[Labels, dict[int, Sample]]:
    """The samples of a chunk, as /metrics would serve them."""
    wanted: dict[Labels, dict[int, Sample]] = {}
    for meter in chunk.meters:
        own = {**extra, **_labels(chunk.key), "meter": meter.info.number}
        for each in TIMESTAMPED:
            samples = each.samples(meter)
            for period in {period for period, _, _ in samples}:
                labels = {**own, "__name__": each.family.name, **({"period": period} if period else {})}
                wanted[tuple(sorted(labels.items()))] = {
                    stamp // 1000: (stamp, value) for its, value, stamp in samples if its == period
                }
    return wanted


def _take_back_periods(chunk: Chunk, wanted: dict[Labels, dict[int, Sample]], stored: Contents) -> None:
    """Where other rate periods now have all the energy of an interval, one that had some of it has none (contract 3).

    What the portal took away it does not mention: the sample that is stored would count the energy twice.
    """
    moved = {
        (meter.info.number, each.end - 1): timestamp_ms(each.end, max(k for _, _, k in each.periods))
        for meter in chunk.meters
        for each in meter.intervals
        if each.periods and each.usage is not None and amount(sum(kwh for _, kwh, _ in each.periods)) == each.usage
    }
    if not moved:
        return
    for series, samples in stored.items():
        if dict(series)["__name__"] != _PERIODS:
            continue
        own = wanted.setdefault(series, {})
        for second in samples:
            stamp = moved.get((_meter(series), second))
            if stamp is not None and second not in own:
                own[second] = stamp, 0.0


def _todo(wanted: Contents, stored: Contents) -> dict[Labels, dict[int, Sample]]:
    """What has to be sent so that each wanted value wins: later than a stored one, never past its interval."""
    todo: dict[Labels, dict[int, Sample]] = {}
    for series, samples in wanted.items():
        before = stored.get(series)
        if not before:
            todo[series] = dict(samples)
            continue
        late = {
            second: (min(max(stamp, before[second][0] + 1 if second in before else 0), second * 1000 + 999), value)
            for second, (stamp, value) in samples.items()
            if (old := before.get(second)) is None or (old[1] != value and abs(old[1] - value) > _LAST_DECIMAL)
        }
        if late:
            todo[series] = late
    return todo


def _pieces(samples: list[Sample]) -> Iterator[list[Sample]]:
    for first in range(0, len(samples), _SAMPLES_PER_LINE):
        yield samples[first : first + _SAMPLES_PER_LINE]


def _digest(stored: Contents) -> bytes:
    digest = blake2b(digest_size=16)
    for series, samples in sorted(stored.items()):
        if samples:
            stamps, values = zip(*sorted(samples.values()), strict=True)
            digest.update(repr(series).encode() + array("q", stamps).tobytes() + array("d", values).tobytes())
    return digest.digest()


def _meter(series: Labels) -> str:
    return dict(series)["meter"]


def _is_interval(series: Labels) -> bool:
    return dict(series)["__name__"].startswith("smarthub_interval_")
