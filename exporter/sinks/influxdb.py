"""Write to InfluxDB 1.x or 2, or to VictoriaMetrics by their protocol.

See docs/samples.md, "InfluxDB layouts".
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from itertools import chain
from math import isclose
from operator import eq

from ..clock import Clock
from ..config import InfluxDBConfig
from ..databases.influxdb import FIELDS, FieldValues, InfluxDB, PointsByTags, Tags, lines, tag_text
from ..errors import DatabaseError
from ..intervals.model import LocationKey
from ..intervals.samples import watts
from .base import DEFAULT_PATIENCE, Chunk, Patience, Sink, Written
from .readback import Visibility, count, digest, missing, not_kept

_TAGS_OF_INTERVALS = ("account", "location", "meter", "portal")
_CENTS = 100  # in a dollar
_MINUTE = 60
_NOTHING: FieldValues = (None,) * len(FIELDS)

Owner = tuple[str, int]
"""The interval to which a point belongs: meter and start."""
Wanted = dict[Tags, dict[int, tuple[Owner, FieldValues]]]
"""The points to be stored, by tags and time."""


class InfluxDBSink(Sink):
    """The configured InfluxDB. Points with other tags or measurements are left alone."""

    def __init__(self, config: InfluxDBConfig, clock: Clock, patience: Patience = DEFAULT_PATIENCE) -> None:
        self._patience = patience
        self._config = config
        self._database = InfluxDB(config)
        self._visibility = Visibility(self._database.api, clock, patience.visible)
        self.wants_series = config.per_minute
        layout = "per minute" if config.per_minute else "per interval"
        self.name = f"{self._database.api.target.name}/{config.database} ({layout})"
        self.title = f"InfluxDB at {self._database.api.target.address}/{config.database} ({layout})"
        self.identity = repr((config.host, config.org, config.database, config.per_minute))

    def open(self, oldest: int) -> list[str]:
        """Check that points can be written and read back.

        InfluxDB 2 may allow only writes.
        """
        state = self._database.check()
        if behind := self._database.victoriametrics:
            self.settling = self._patience.settling
            if self._config.per_minute:
                self._database.go_on_without_label()
            self._database.write(())
            return self._visibility.learn(behind.flags(), oldest)
        name = self._config.database
        if state.exists is False and not self._database.speaks_v2:
            raise self._error(f"has no database {name}", f'create it with CREATE DATABASE "{name.partition("/")[0]}"')
        try:
            self._database.write(())
        except DatabaseError as error:
            if state.exists is not False or error.passes_by_itself:
                raise
            # Only now, because a token that may only write does not see the bucket either.
            raise self._error(
                f"has no bucket {name}, or the token has no access to it", "create it, or fix database"
            ) from None
        try:
            self._database.read((), oldest, oldest + 1)
        except DatabaseError as error:
            if not self._database.speaks_v2 or error.passes_by_itself:
                raise
            self.is_verified = False
            text = "data will be written but not verified, because InfluxQL queries of this bucket fail"
            return [f"{text}; give the token read access and the bucket a DBRP mapping"]
        return []

    def write(self, chunk: Chunk) -> Written:
        """Send missing and different values, then read back and compare all of them."""
        wanted, clash = _minutes(chunk) if self._config.per_minute else (_intervals(chunk), "")
        if clash:
            raise self._error(
                f"two series of location {chunk.key.location} are both called {clash} in the per-minute layout",
                "set per_minute: false",
            )
        stored = self._stored(chunk)
        todo = self._todo(wanted, stored)
        corrected = {
            wanted[tags][second][0]
            for tags, points in todo.items()
            for second, point in points.items()
            if any(None not in pair for pair in zip(point, stored.get(tags, {}).get(second, _NOTHING), strict=True))
        }
        own = {tags: points for tags, points in stored.items() if tags in wanted or not self._config.per_minute}
        gone = len(missing(own, wanted))
        if todo:
            self._database.write(chain.from_iterable(lines(tags, points.items()) for tags, points in todo.items()))
            if self._database.victoriametrics:
                stored = self._visibility.wait(lambda: self._stored(chunk), lambda found: self._todo(wanted, found))
            else:
                stored = self._stored(chunk)
            left = self._todo(wanted, stored)
            if left and self.is_verified:
                raise self._not_kept(wanted, stored, left)
        return Written(chunk.key, chunk.start, chunk.end, count(todo), len(corrected), gone, digest(stored, _packed))

    def still_holds(self, written: Written) -> bool:
        """Check whether the chunk is still stored unchanged."""
        return digest(self._stored(written), _packed) == written.digest

    def finish(self) -> None:
        """Reset the result cache of VictoriaMetrics: docs/samples.md, "Cached answers"."""
        if self._database.victoriametrics:
            self._database.victoriametrics.forget_answers()

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _stored(self, place: Chunk | Written) -> dict[Tags, dict[int, FieldValues]]:
        """Return the points in this time with exactly the tags of the layout.

        None if they cannot be read.
        """
        if not self.is_verified:
            return {}
        per_minute = self._config.per_minute
        found = self._database.read(() if per_minute else _tags(place.key), place.start, place.end)
        layouts = ((), ("name",)) if per_minute else (_TAGS_OF_INTERVALS,)
        return {tags: points for tags, points in found.items() if tuple(name for name, _ in tags) in layouts}

    def _todo(self, wanted: Wanted, stored: PointsByTags) -> dict[Tags, dict[int, FieldValues]]:
        """Return the values that are not stored, or stored differently.

        VictoriaMetrics keeps about fifteen digits of a number, InfluxDB all: docs/samples.md, "Proof".
        """
        same = partial(isclose, rel_tol=1e-9, abs_tol=1e-9) if self._database.victoriametrics else eq
        todo: dict[Tags, dict[int, FieldValues]] = {}
        for tags, points in wanted.items():
            before = stored.get(tags, {})
            late = {
                second: left
                for second, (_, point) in points.items()
                if (left := _different(point, before.get(second, _NOTHING), same)) != _NOTHING
            }
            if late:
                todo[tags] = late
        return todo

    def _not_kept(self, wanted: Wanted, stored: PointsByTags, left: PointsByTags) -> DatabaseError:
        """Explain why accepted points are missing or have other values."""
        total = count(wanted)
        lost = missing(left, stored)
        if not lost:
            what = f"{count(left):,} of {total:,} points still have different values after writing"
            advice = "check whether another program writes to it"
            if self._database.victoriametrics:
                what += ", because VictoriaMetrics cannot replace a value that has the same timestamp"
                advice = "use --to victoriametrics, or another database"
            return self._error(what, advice)
        what = not_kept(total, "points", lost)
        advice = "check its log and its metric vm_rows_ignored_total"
        if not self._database.victoriametrics:
            advice = "check its log and SHOW RETENTION POLICIES"
        elif min(lost) < self._visibility.kept_from:
            what += ", because they are older than its retention"
            advice = "start it with -retentionPeriod=10y"
        return self._error(what, advice)

    def _error(self, what: str, advice: str) -> DatabaseError:
        return self._database.api.target.error(what, advice)


def _tags(key: LocationKey, **more: str) -> Tags:
    tags = {**asdict(key), **more}
    return tuple(sorted((name, tag_text(value)) for name, value in tags.items()))


def _intervals(chunk: Chunk) -> Wanted:
    """Return one point per interval, at its start."""
    wanted: Wanted = {}
    for meter in chunk.meters:
        points = wanted.setdefault(_tags(chunk.key, meter=meter.info.number), {})
        for each in meter.intervals:
            power = None if each.usage is None else watts(each.usage, each.end - each.start)
            # Nine digits, since multiplying by a hundred may add noise in the last ones.
            cents = None if each.cost is None else round(each.cost * _CENTS, 9)
            point = (power, each.usage, cents, each.export)
            if any(value is not None for value in point):
                points[each.start] = (meter.info.number, each.start), point
    return wanted


def _minutes(chunk: Chunk) -> tuple[Wanted, str]:
    """Return one point per minute, and a name shared by two different series."""
    counts = {(meter.info.number, each.start, each.end) for meter in chunk.meters for each in meter.intervals}
    wanted: Wanted = {}
    for series in chunk.series:
        name = tag_text(series.name)
        tags: Tags = (("name", name),) if name and len(chunk.series) > 1 else ()
        points = wanted.setdefault(tags, {})
        for start, end, kwh, usd in series.points:
            if (series.meter, start, end) not in counts:
                continue
            minutes = (end - start) / _MINUTE
            point = (kwh * _MINUTE * 1000 / minutes, None, None if usd is None else usd * _CENTS / minutes, None)
            for second in range(start, end, _MINUTE):
                if second in points and points[second][1] != point:
                    return {}, name
                points[second] = (series.meter, start), point
    return wanted, ""


def _different(point: FieldValues, old: FieldValues, same: Callable[[float, float], bool]) -> FieldValues:
    """Return the values of a point that differ from the stored ones."""
    return tuple(
        None if new is None or (before is not None and same(new, before)) else new
        for new, before in zip(point, old, strict=True)
    )


def _packed(points: Mapping[int, FieldValues]) -> bytes:
    return repr(sorted(points.items())).encode()
