"""A range of days of one location, asked for in pieces that the portal can answer (docs/portal.md, "Ranges")."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..errors import PendingError, PortalError, ProtocolError
from ..intervals.model import DAILY as DAILY_STEP
from ..intervals.model import Meter, MeterInfo, Reading
from .query import DAILY, HOURLY, UsageQuery
from .readings import MeterReadings, RangeReadings, read_days, read_intervals
from .timezone import OffsetEvidence
from .usage import UsageAnswer
from .walltime import WallClock

LONGEST_RANGE = 30  # days
_FAILED_DAYS = 3  # single days that fail before the rest is given up
_PENDING_RANGES = 2  # ranges in a row that stay pending before the rest is given up

Ask = Callable[[UsageQuery], UsageAnswer]

Watch = Callable[[UsageAnswer, str, int, int], None]
"""Called with each answer, its time frame and range, before the answer is used."""


@dataclass(frozen=True, slots=True)
class KnownMeters:
    """What earlier answers showed of a location's meters. steps: their resolution in seconds, by number."""

    steps: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, meters: Iterable[Meter]) -> "KnownMeters":
        """Return what is known of these meters."""
        return cls({meter.info.number: meter.info.step for meter in meters})

    def hourly(self, number: str) -> bool:
        """Check whether a meter is known to have finer than daily data."""
        return 0 < self.steps.get(number, 0) < DAILY_STEP

    @property
    def only_daily(self) -> bool:
        """Whether only daily data is known of this location."""
        return bool(self.steps) and all(step == DAILY_STEP for step in self.steps.values())

    @property
    def some_hourly(self) -> bool:
        """Whether some meter of this location has finer than daily data."""
        return any(0 < step < DAILY_STEP for step in self.steps.values())


@dataclass(slots=True)
class History:
    """What was fetched of a range. error: why the rest is missing, None if nothing is.

    evidence: what the answers show of the portal's zone. connected: the start of the day on which the location was
    connected, if the portal says it. has_hourly: whether the portal says that there is finer than daily data.
    """

    meters: list[MeterReadings] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: PortalError | None = None
    evidence: list[OffsetEvidence] = field(default_factory=list)
    connected: int | None = None
    has_hourly: bool | None = None


class LocationHistory:
    """Fetches one location, and remembers how long a range its portal can answer."""

    def __init__(self, ask: Ask, account: str, location: str, clock: WallClock, watch: Watch | None = None) -> None:
        self._ask = ask
        self._watch = watch
        self._account = account
        self._location = location
        self._clock = clock
        self._longest = LONGEST_RANGE

    def fetch(self, start: int, end: int, known: KnownMeters, *, try_hourly: bool) -> History:
        """Fetch the days from `start` to `end` (local midnights, seconds UTC), newest range first.

        HOURLY data is used; a meter that has none gets its DAILY data. try_hourly: ask for HOURLY data even if only
        daily data is known. What came before an error is kept.
        """
        history = History()
        hourly: list[RangeReadings] = []
        daily: list[RangeReadings] = []
        asked_for = self._longest
        try:
            if try_hourly or not known.only_daily:
                history.error = self._gather(HOURLY, start, end, known, hourly)
            if self._needs_days(hourly, known) and not _is_broken(history.error):
                error = self._gather(DAILY, start, end, known, daily)
                if history.error is None or _are_daily(hourly, daily, known):
                    history.error = error
                elif not hourly:
                    daily = []  # there is finer data, which only failed now: days would take its place
        except PortalError as error:
            history.error = error
        _take(history, hourly)
        _take_days(history, daily, known)
        if history.error is None and self._longest == asked_for:
            self._longest = min(LONGEST_RANGE, 2 * self._longest)
        return history

    def _needs_days(self, hourly: list[RangeReadings], known: KnownMeters) -> bool:
        if all(answer.is_empty for answer in hourly):
            says_none = any(answer.has_hourly is False for answer in hourly)
            return says_none or not known.some_hourly
        with_data = {meter.info.number for answer in hourly for meter in answer.meters if meter.readings or meter.waits}
        listed = {meter.info.number for answer in hourly for meter in answer.meters}
        listed |= {number for number, step in known.steps.items() if step == DAILY_STEP}
        return any(number not in with_data and not known.hourly(number) for number in listed)

    def _gather(
        self, time_frame: str, start: int, end: int, known: KnownMeters, answers: list[RangeReadings]
    ) -> PortalError | None:
        """Add the answers of all ranges, halving a range that fails or stays pending.

        Returns why some of them are missing; raises an error that any other call would meet too.
        """
        ranges = list(self._ranges(start, end))
        failed: PortalError | None = None
        failed_days = pending_ranges = 0
        while ranges:
            first, last = ranges.pop(0)
            try:
                answers.append(self._one(time_frame, first, last, known))
                pending_ranges = 0
            except (PendingError, ProtocolError) as error:
                halves = self._halves(first, last)
                pending_ranges += isinstance(error, PendingError)
                if halves and pending_ranges < _PENDING_RANGES:
                    ranges[:0] = halves
                    continue
                failed = failed or error
                failed_days += 1
                if isinstance(error, PendingError) or failed_days == _FAILED_DAYS:
                    break
        return failed

    def _one(self, time_frame: str, start: int, end: int, known: KnownMeters) -> RangeReadings:
        query = UsageQuery(self._account, self._location, time_frame, start, end, self._clock)
        answer = self._ask(query)
        if self._watch:
            self._watch(answer, time_frame, start, end)
        if time_frame == DAILY:
            return read_days(answer, self._clock, start, end)
        return read_intervals(answer, self._clock, start, end, known.steps)

    def _ranges(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        midnights = self._clock.midnights(start, end)
        last = len(midnights) - 1
        while last > 0:
            first = max(0, last - self._longest)
            yield midnights[first], midnights[last]
            last = first

    def _halves(self, start: int, end: int) -> list[tuple[int, int]]:
        """Split a range at a local midnight, newest half first, unless it is one day. Later ranges keep that length."""
        midnights = self._clock.midnights(start, end)
        days = len(midnights) - 1
        if days < 2:  # noqa: PLR2004
            return []
        self._longest = max(1, min(self._longest, (days + 1) // 2))
        middle = midnights[days // 2]
        return [(middle, end), (start, middle)]


def _is_broken(error: PortalError | None) -> bool:
    """Check whether other calls would fail too; a range that failed does not stop daily data."""
    return error is not None and not isinstance(error, ProtocolError)


def _are_daily(hourly: list[RangeReadings], daily: list[RangeReadings], known: KnownMeters) -> bool:
    """Check whether this location has only daily data: no HOURLY data came or was promised, and daily data did."""
    promised = known.some_hourly or any(answer.has_hourly for answer in (*hourly, *daily))
    no_hourly = all(answer.is_empty for answer in hourly) and not promised
    return no_hourly and not all(answer.is_empty for answer in daily)


def _take(history: History, answers: list[RangeReadings]) -> None:
    _note(history, answers)
    history.meters = _joined(meter for answer in answers for meter in answer.meters)


def _take_days(history: History, answers: list[RangeReadings], known: KnownMeters) -> None:
    """Add daily readings of the meters that have no finer ones, neither now nor before."""
    _note(history, answers)
    finer = {meter.info.number for meter in history.meters if meter.readings or meter.waits}
    daily = _joined(
        meter
        for answer in answers
        for meter in answer.meters
        if meter.info.number not in finer and not known.hourly(meter.info.number)
    )
    numbers = {meter.info.number for meter in daily}
    history.meters = [meter for meter in history.meters if meter.info.number not in numbers] + daily


def _note(history: History, answers: list[RangeReadings]) -> None:
    for answer in answers:
        history.warnings += answer.warnings
        history.evidence += answer.evidence
        history.connected = answer.connected or history.connected
        if answer.has_hourly is not None:
            history.has_hourly = history.has_hourly or answer.has_hourly
    history.warnings = list(dict.fromkeys(history.warnings))


def _joined(meters: Iterable[MeterReadings]) -> list[MeterReadings]:
    """Join the answers, which come newest first, into one entry per meter."""
    readings: dict[str, list[Reading]] = defaultdict(list)
    infos: dict[str, MeterInfo] = {}
    waiting: set[str] = set()
    for meter in meters:
        number = meter.info.number
        if meter.waits:
            waiting.add(number)
        readings[number] += meter.readings
        before = infos.get(number, meter.info)
        infos[number] = replace(
            before,
            flows=tuple(sorted({*before.flows, *meter.info.flows})),
            exports=before.exports or meter.info.exports,
            signed=before.signed and meter.info.signed,
            step=before.step or meter.info.step,
        )
    return [
        MeterReadings(info, tuple(sorted(readings[number], key=lambda reading: reading.start)), number in waiting)
        for number, info in infos.items()
    ]
