"""The days and locations to fetch, and the chunks they are fetched in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise

from ..errors import ConfigError, PortalError
from ..intervals.model import LocationKey
from ..portal.accounts import AccountLocation
from ..portal.history import LONGEST_RANGE
from ..portal.walltime import WallClock
from .journal import CompletedChunk

EARLIEST = date(1990, 1, 1)  # no co-op had remotely read meters
_LONGEST_HISTORY = 9 * 365  # days
FIRST = "first"
"""The value of `--start` for as far back as the portal has intervals."""


@dataclass(frozen=True, slots=True)
class KnownSteps:
    """The resolution in seconds of each meter.

    doubt: a server error of the HOURLY requests that may be temporary, if it is the resolution of DAILY data only.
    """

    steps: Mapping[str, int] = field(default_factory=dict)
    doubt: PortalError | None = None


@dataclass(frozen=True, slots=True)
class DayRange:
    """The requested local days, both ends included; without an end, up to today.

    from_first: as far back as the portal has intervals.
    """

    first: date | None
    last: date | None
    days: int
    from_first: bool = False

    def bounds(self, wall: WallClock, now: float) -> tuple[int, int]:
        """Return the start and the end of these days by the co-op's clock.

        Raises ConfigError.
        """
        first, last = self.dates(date.fromisoformat(wall.date_text(int(now))))
        return wall.midnight_of(first), wall.midnight_of(last + timedelta(days=1))

    def dates(self, today: date) -> tuple[date, date]:
        """Return the first and the last day, given the co-op's current date.

        Raises ConfigError.
        """
        last = min(self.last or today, today)
        if last < EARLIEST:
            raise ConfigError(f"--end {last} is before {EARLIEST}, when no meter was read remotely; use a later date")
        counted = EARLIEST if self.from_first else last - timedelta(days=min(self.days - 1, (last - EARLIEST).days))
        first = self.first or counted
        if first > today:
            raise ConfigError(f"--start {first} is in the future; today at the co-op is {today}")
        if first > last:
            raise ConfigError(f"--start {first} is after --end {last}; use an earlier start or a later end")
        return max(first, EARLIEST), last


def read_range(start: str | None, end: str | None, days: int | None, default_days: int) -> DayRange:
    """Return the days requested on the command line. Raises ConfigError."""
    if days is not None and (start is not None or end is not None):
        raise ConfigError("--days cannot be combined with --start or --end; it counts back from today")
    if days is not None and days < 1:
        raise ConfigError(f"--days {days} is too small; use 1 (only today) or more")
    from_first = start == FIRST
    return DayRange(
        None if from_first else _date("--start", start), _date("--end", end), days or default_days, from_first
    )


def _date(flag: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        other = f", or {FIRST}" if flag == "--start" else ""
        raise ConfigError(f"""{flag} {text or "''"} is not a date; write it as YYYY-MM-DD{other}""") from None


@dataclass(frozen=True, slots=True)
class Job:
    """The days to fetch for one location, between two local midnights in seconds UTC.

    `source` is the number of its login. `name` is None if the portal has none. `submeters` are those that the
    configuration names, with their parents. With `from_first` only the days since its first interval are fetched, and
    `start` is a day long before it, so that chunks are the same every day.
    """

    source: int
    key: LocationKey
    location: AccountLocation
    name: str | None
    wall: WallClock
    start: int
    end: int
    submeters: Mapping[str, str] = field(default_factory=dict, compare=False)
    from_first: bool = False

    def chunks(self) -> list[tuple[int, int]]:
        """Return ranges that a portal can answer, oldest first.

        The same range always has the same chunks.
        """
        borders = [self.wall.days_before(self.start, -days) for days in range(0, self.days, LONGEST_RANGE)]
        return list(pairwise([*borders, self.end]))

    def date_range(self, start: int, end: int) -> str:
        """Return the first and the last date of a part of the job."""
        return f"{self.wall.date_text(start)} to {self.wall.date_text(end - 1)}"

    @property
    def days(self) -> int:
        """The number of local days."""
        return self.wall.days_between(self.start, self.end)


def expected_start(job: Job) -> int:
    """Return the first instant that a job may have to write, in seconds UTC; no portal is known to keep more."""
    return max(job.start, job.wall.days_before(job.end, _LONGEST_HISTORY)) if job.from_first else job.start


def task_of(job: Job, wanted: DayRange) -> str:
    """Return what identifies a job.

    A range without an end stays the same job when it grows by a day.
    """
    return f"{job.key} {job.start} {'open' if wanted.last is None else job.end}"


def days_in(jobs: Iterable[Job], done: Iterable[CompletedChunk]) -> int:
    """Return the number of local days in some chunks of the jobs."""
    walls = {job.key: job.wall for job in jobs}
    return sum(walls[each.key].days_between(each.start, each.end) for each in done)


JobChunk = tuple[Job, int, int]
"""A chunk of a job, between two local midnights in seconds UTC."""


def in_order(jobs: Sequence[Job], *, oldest_first: bool) -> list[JobChunk]:
    """Return all chunks, location by location; a database gets the newest days first."""
    return [(job, *chunk) for job in jobs for chunk in job.chunks()[:: 1 if oldest_first else -1]]
