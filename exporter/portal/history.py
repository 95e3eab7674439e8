"""A range of days of one location, requested in ranges that the portal can answer.

See docs/portal.md, "Ranges".
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from ..errors import PendingError, PortalError, ProtocolError, TooLargeError, TransportError
from ..intervals.columns import NOTHING, joined
from ..intervals.industries import ELECTRIC
from ..intervals.model import DAILY as DAILY_STEP
from ..intervals.model import Meter
from ..intervals.submeters import circular_submeters
from .query import DAILY, HOURLY, UsageQuery
from .readings import MeterReadings, RangeReadings, read_days, read_intervals
from .timezone import OffsetEvidence, begins_late, evidence_in
from .usage_answer import UsageAnswer
from .walltime import WallClock

LONGEST_RANGE = 30  # days
_FAILED_DAYS = 3  # single days that fail before the rest is given up
_PENDING_RANGES = 2  # ranges in a row that stay pending before the rest is given up
_VAIN_LOOKS = 2  # in a row for the first point of a range in the day before it, before no other is tried
_MOST_METERS = 200  # of a location; more would fill memory and databases, and no member has as many
_MOST_NAMED = 10  # meters in a message
_MOST_PERIODS = 50  # of a meter
_MOST_READINGS = 1_000_000  # of a location at once: 200 meters with 15-minute intervals for 35 days have fewer

Ask = Callable[[UsageQuery], UsageAnswer]

Watch = Callable[[UsageAnswer, str, int, int], None]
"""Called with each answer and the time frame and range it covers, before the answer is used."""


@dataclass(frozen=True, slots=True)
class KnownMeters:
    """What earlier answers revealed about a location's meters of one industry.

    steps: their resolution in seconds, by meter number. periods: their rate periods. units: the units of their usage.
    taken: the numbers of the location's meters of other industries.
    """

    steps: Mapping[str, int] = field(default_factory=dict)
    periods: Mapping[str, Iterable[str]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    taken: Collection[str] = ()

    @classmethod
    def of(cls, meters: Iterable[Meter], industry: str = ELECTRIC) -> "KnownMeters":
        """Return what is known of these meters."""
        every = list(meters)
        by_number = {meter.info.number: meter for meter in every if meter.info.industry == industry}
        return cls(
            {number: meter.info.step for number, meter in by_number.items()},
            {number: [period.name for period in meter.intervals.periods] for number, meter in by_number.items()},
            {number: meter.info.unit for number, meter in by_number.items()},
            {meter.info.number for meter in every} - by_number.keys(),
        )

    def hourly(self, number: str) -> bool:
        """Check whether a meter is known to have data finer than daily."""
        return 0 < self.steps.get(number, 0) < DAILY_STEP

    @property
    def only_daily(self) -> bool:
        """Whether only daily data is known of this location."""
        return bool(self.steps) and all(step == DAILY_STEP for step in self.steps.values())

    @property
    def some_hourly(self) -> bool:
        """Whether some meter of this location has data finer than daily."""
        return any(map(self.hourly, self.steps))


@dataclass(slots=True)
class History:
    """The data fetched for a range. error: why some of it is missing; None if it is complete.

    doubt: a server error of the HOURLY requests that may be temporary, although DAILY data is used instead.
    evidence: what the answers reveal about the portal's zone. connected: the start of the day on which the location was
    connected, if the portal provides it. has_hourly: whether the portal says it has data finer than daily. dropped:
    whether there were points but none could be used. words: the words for directions that are not known for certain.
    """

    meters: list[MeterReadings] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: PortalError | None = None
    doubt: TransportError | None = None
    evidence: list[OffsetEvidence] = field(default_factory=list)
    connected: int | None = None
    has_hourly: bool | None = None
    dropped: bool = False
    words: list[str] = field(default_factory=list)


class LocationHistory:
    """Fetches one industry of one location, and remembers the longest range its portal can answer, by time frame.

    submeters: the configured parent of each sub-meter, by number. most_readings: how many are held at once; the days
    before them are then missing.
    """

    def __init__(
        self,
        ask: Ask,
        account: str,
        location: str,
        clock: WallClock,
        watch: Watch | None = None,
        *,
        submeters: Mapping[str, str] | None = None,
        most_readings: int = _MOST_READINGS,
        industry: str = ELECTRIC,
    ) -> None:
        self._ask = ask
        self._watch = watch
        self._account = account
        self._location = location
        self._clock = clock
        self._submeters = submeters or {}
        self._most_readings = most_readings
        self._industry = industry
        self._longest = {HOURLY: LONGEST_RANGE, DAILY: LONGEST_RANGE}
        self._vain_looks = 0

    def fetch(self, start: int, end: int, known: KnownMeters, *, try_hourly: bool) -> History:
        """Fetch the days from `start` to `end`, newest range first.

        start, end: local midnights, in seconds UTC. HOURLY data is used; a meter that has none, because it is missing,
        fails or has one point per day, gets its DAILY data. try_hourly: request HOURLY data even if only daily data is
        known. If an error occurs, the data fetched so far is kept.
        """
        history = History()
        hourly: list[RangeReadings] = []
        daily: list[RangeReadings] = []
        if try_hourly or not known.only_daily:
            history.error = self._gather(HOURLY, start, end, known, hourly)
        failed = history.error
        if _may_answer_days(failed, hourly) and _needs_days(hourly, known):
            error = self._gather(DAILY, start, end, known, daily)
            if failed and _is_about_hourly(failed) and _has_only_days(hourly, daily, known):
                history.warnings.append(f"HOURLY data failed ({failed.what}); using DAILY data")
                history.doubt = failed if isinstance(failed, TransportError) else None
                failed = None
            history.error = failed or error
        for answer in (*hourly, *daily):
            history.warnings += answer.warnings
            history.evidence += answer.evidence
            history.connected = answer.connected or history.connected
            history.words += answer.words
            if answer.has_hourly is not None:
                history.has_hourly = history.has_hourly or answer.has_hourly
        history.words = list(dict.fromkeys(history.words))
        meters = tuple(_joined(hourly, daily, known, history.warnings))
        joined = RangeReadings(meters, warnings=tuple(history.warnings))
        together = _bounded(joined, known)
        history.warnings = list(together.warnings)
        history.meters = list(map(self._with_parents, together.meters))
        is_empty = not any(meter.readings for meter in history.meters)
        history.dropped = is_empty and any(answer.dropped for answer in (*hourly, *daily))
        if history.error is None and not is_empty:
            history.warnings += self._unknown_submeters({*known.steps, *(each.info.number for each in history.meters)})
        circle = circular_submeters(each.info for each in history.meters)
        if circle:
            history.warnings.append(f"ignored sub-meters that contain themselves: {', '.join(circle)}")
        history.warnings = list(dict.fromkeys(history.warnings))
        for each in (history.error, history.doubt):
            if each is not None:
                each.forget_frames()
        return history

    def expected(self, start: int, end: int) -> list[UsageQuery]:
        """Return the queries of `fetch` for HOURLY data of these days if none of them fails, newest first."""
        midnights = self._clock.midnights(start, end)
        return [
            self._query(HOURLY, midnights[first], midnights[last])
            for first, last in self._ranges(HOURLY, len(midnights) - 1)
        ]

    @property
    def is_halving(self) -> bool:
        """Whether ranges are shorter now, because one failed; the length of the next ones is not known yet."""
        return self._longest[HOURLY] < LONGEST_RANGE

    def _ranges(self, time_frame: str, days: int) -> list[tuple[int, int]]:
        """Split days into ranges, newest first; days are counted from the first one."""
        longest = self._longest[time_frame]
        return [(max(0, last - longest), last) for last in range(days, 0, -longest)]

    def _query(self, time_frame: str, start: int, end: int) -> UsageQuery:
        return UsageQuery(self._account, self._location, time_frame, start, end, self._clock, self._industry)

    def _with_parents(self, meter: MeterReadings) -> MeterReadings:
        """Add the configured parent of a sub-meter to those that the portal names."""
        parent = self._submeters.get(meter.info.number)
        if parent is None:
            return meter
        return replace(meter, info=replace(meter.info, parents=tuple(dict.fromkeys((*meter.info.parents, parent)))))

    def _unknown_submeters(self, numbers: set[str]) -> Iterator[str]:
        """Yield a warning if the configuration names sub-meters or parents that the location does not have."""
        unknown = sorted({*self._submeters, *self._submeters.values()} - numbers)
        if unknown:
            seen = sorted(numbers)
            others = f" and {len(seen) - _MOST_NAMED} more" if len(seen) > _MOST_NAMED else ""
            yield (
                f"submeters in the configuration names {', '.join(unknown)}, but the meters of this location are"
                f" {', '.join(seen[:_MOST_NAMED])}{others}"
            )

    def _gather(
        self, time_frame: str, start: int, end: int, known: KnownMeters, answers: list[RangeReadings]
    ) -> PortalError | None:
        """Add the answers of all ranges, halving a range that fails or stays pending.

        Ranges are halved at a local midnight, and later ones keep the shorter length. Returns why some are missing.
        """
        midnights = self._clock.midnights(start, end)
        longest = self._longest[time_frame]
        ranges = self._ranges(time_frame, len(midnights) - 1)
        failed: PortalError | None = None
        failed_days = pending_ranges = 0
        fitting = LONGEST_RANGE  # an answer that is too large shows that others of this length are
        while ranges and not self._is_full(answers):
            first, last = ranges.pop(0)
            days = last - first
            middle = first + days // 2
            if days > fitting:
                ranges[:0] = [(middle, last), (first, middle)]
                continue
            try:
                answers.append(self._read(time_frame, midnights[first], midnights[last], known))
                pending_ranges = 0
            except PortalError as error:
                if error.while_signing_in or not isinstance(error, PendingError | ProtocolError):
                    return error  # any other request would meet it too
                pending_ranges += isinstance(error, PendingError)
                if days > 1:
                    if isinstance(error, TooLargeError):
                        fitting = (days + 1) // 2
                    self._longest[time_frame] = min(self._longest[time_frame], (days + 1) // 2)
                    if pending_ranges < _PENDING_RANGES:
                        ranges[:0] = [(middle, last), (first, middle)]
                        continue
                failed = failed or error
                failed_days += 1
                if isinstance(error, PendingError) or failed_days == _FAILED_DAYS:
                    break
        failed = failed or (TooLargeError("the portal's answers have too many readings") if ranges else None)
        if failed is None and self._longest[time_frame] == longest:
            self._longest[time_frame] = min(LONGEST_RANGE, 2 * longest)
        return failed

    def _is_full(self, answers: list[RangeReadings]) -> bool:
        return sum(len(meter.readings) for answer in answers for meter in answer.meters) > self._most_readings

    def _read(self, time_frame: str, start: int, end: int, known: KnownMeters) -> RangeReadings:
        answer = self._ask(self._query(time_frame, start, end))
        evidence = evidence_in(answer, start, end) if time_frame == HOURLY else ()
        if time_frame == HOURLY and begins_late(answer, self._clock.wall(start)):
            self._add_first(answer, start)
        if self._industry != ELECTRIC:
            answer.rename_meters(known.taken)
        if self._watch:
            self._watch(answer, time_frame, start, end)
        if time_frame == DAILY:
            return _bounded(read_days(answer, self._clock, start, end), known)
        readings = read_intervals(answer, self._clock, start, end, known.steps)
        return _bounded(replace(readings, evidence=evidence), known)

    def _add_first(self, answer: UsageAnswer, start: int) -> None:
        """Add the first point of a range from the day before it.

        If points are at the end of their interval, that day has the point at its end bound, which nothing else has.
        """
        if self._vain_looks >= _VAIN_LOOKS:
            return
        try:
            before = self._ask(self._query(HOURLY, self._clock.day(start - 1).start, start))
        except (PendingError, ProtocolError) as error:
            if error.while_signing_in:
                raise
            found = False
        else:
            found = answer.add_points_at(self._clock.wall(start), before)
        self._vain_looks = 0 if found else self._vain_looks + 1


def _may_answer_days(failed: PortalError | None, hourly: list[RangeReadings]) -> bool:
    """Check whether DAILY requests may be answered although HOURLY ones failed in this way."""
    if failed is None or failed.while_signing_in:
        return failed is None
    return isinstance(failed, ProtocolError) or (isinstance(failed, TransportError) and not hourly)


def _is_about_hourly(failed: PortalError) -> bool:
    """Check whether the portal may answer HOURLY requests in this way as long as it answers DAILY ones."""
    return isinstance(failed, ProtocolError) or (isinstance(failed, TransportError) and failed.is_answer)


def _needs_days(hourly: list[RangeReadings], known: KnownMeters) -> bool:
    """Check whether some meter has no finer data than daily, neither now nor before."""
    if all(answer.is_empty for answer in hourly):
        return not known.some_hourly or any(answer.has_hourly is False for answer in hourly)
    listed = {meter.info.number for answer in hourly for meter in answer.meters}
    listed |= {number for number, step in known.steps.items() if step == DAILY_STEP}
    return any(not known.hourly(number) for number in listed - _with_data(hourly))


def _has_only_days(hourly: list[RangeReadings], daily: list[RangeReadings], known: KnownMeters) -> bool:
    """Check whether this location has daily data, and no finer data now or before."""
    return not known.some_hourly and not _with_data(hourly) and bool(_with_data(daily))


def _with_data(answers: list[RangeReadings]) -> set[str]:
    return {meter.info.number for answer in answers for meter in answer.meters if meter.readings or meter.waits}


def _joined(
    hourly: list[RangeReadings], daily: list[RangeReadings], known: KnownMeters, warnings: list[str]
) -> list[MeterReadings]:
    """Join the answers into one entry per meter.

    Daily readings are used only for meters without finer ones, and older ones only if they have the newest unit.
    """
    finer = _with_data(hourly)
    days = [
        meter
        for answer in daily
        for meter in answer.meters
        if meter.info.number not in finer and not known.hourly(meter.info.number)
    ]
    replaced = {meter.info.number for meter in days}
    hours = [meter for answer in hourly for meter in answer.meters if meter.info.number not in replaced]
    meters: dict[str, MeterReadings] = {}
    for meter in (*hours, *days):
        number, unit = meter.info.number, meter.info.unit
        before = meters.setdefault(number, replace(meter, readings=NOTHING))
        newest = before.info.unit or unit
        if unit not in ("", newest) or known.units.get(number, "") not in ("", newest):
            warnings.append(f"meter {number}: the unit changed to {newest}; left out values in other units")
        if unit not in ("", newest):
            continue
        info = replace(
            before.info,
            flows=tuple(sorted({*before.info.flows, *meter.info.flows})),
            parents=before.info.parents or meter.info.parents,
            exports=before.info.exports or meter.info.exports,
            signed=before.info.signed and meter.info.signed,
            step=before.info.step or meter.info.step,
            unit=newest,
        )
        # Answers come newest first.
        readings = joined((meter.readings, before.readings))
        meters[number] = MeterReadings(info, readings, before.waits or meter.waits)
    return list(meters.values())


def _bounded(answer: RangeReadings, known: KnownMeters) -> RangeReadings:
    """Leave out meters and rate periods if there are too many, new ones first."""
    numbers = _first(_MOST_METERS, known.steps, (meter.info.number for meter in answer.meters))
    warnings = list(answer.warnings)
    meters = [_with_few_periods(meter, known, warnings) for meter in answer.meters if meter.info.number in numbers]
    if len(meters) < len(answer.meters):
        warnings.append(f"more than {_MOST_METERS} meters; left out the others")
    return replace(answer, meters=tuple(meters), warnings=tuple(warnings))


def _with_few_periods(meter: MeterReadings, known: KnownMeters, warnings: list[str]) -> MeterReadings:
    number = meter.info.number
    given = {period.name for period in meter.readings.periods}
    kept = _first(_MOST_PERIODS, known.periods.get(number, ()), sorted(given))
    if given <= kept:
        return meter
    warnings.append(f"meter {number}: more than {_MOST_PERIODS} rate periods; left out the others")
    periods = tuple(period for period in meter.readings.periods if period.name in kept)
    return replace(meter, readings=replace(meter.readings, periods=periods))


def _first(most: int, *names: Iterable[str]) -> set[str]:
    return set(list(dict.fromkeys(chain(*names)))[:most])
