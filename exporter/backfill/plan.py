"""Which days of which locations, and in which pieces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from ..errors import ConfigError
from ..intervals.model import LocationKey
from ..portal.accounts import AccountLocation
from ..portal.history import LONGEST_RANGE
from ..portal.walltime import WallClock

EARLIEST = date(1990, 1, 1)  # no co-op had meters that can be read from afar


@dataclass(frozen=True, slots=True)
class DayRange:
    """Local days as they were asked for, both ends included; an open end is today's."""

    first: date | None
    last: date | None
    days: int

    def bounds(self, wall: WallClock, now: float) -> tuple[int, int]:
        """The midnights between which these days lie by a co-op's clock. Raises ConfigError."""
        first, last = self.dates(date.fromisoformat(wall.date_text(int(now))))
        return wall.midnight_of(first), wall.midnight_of(last + timedelta(days=1))

    def dates(self, today: date) -> tuple[date, date]:
        """The first and the last day where it is `today`. Raises ConfigError."""
        last = min(self.last or today, today)
        if last < EARLIEST:
            raise ConfigError(f"--end {last}: lies before {EARLIEST}, when no meter was read from afar")
        first = self.first or last - timedelta(days=min(self.days - 1, (last - EARLIEST).days))
        if first > today:
            raise ConfigError(f"--start {first}: lies in the future, today is {today} there")
        if first > last:
            raise ConfigError(f"--start {first} lies behind --end {last}")
        return max(first, EARLIEST), last


def read_range(start: str | None, end: str | None, days: int | None, default_days: int) -> DayRange:
    """The days that the command line means. Raises ConfigError."""
    if days is not None and (start is not None or end is not None):
        raise ConfigError("--days: not together with --start and --end, it counts back from today")
    if days is not None and days < 1:
        raise ConfigError(f"--days {days}: at least 1, which is today")
    return DayRange(_date("--start", start), _date("--end", end), days or default_days)


def _date(flag: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"""{flag} {text or "''"}: is no date, write it as YYYY-MM-DD""") from None


@dataclass(frozen=True, slots=True)
class Job:
    """The days of one location, from one local midnight to another (seconds UTC).

    source: the number of its login. name: None where the portal does not tell it.
    """

    source: int
    key: LocationKey
    location: AccountLocation
    name: str | None
    wall: WallClock
    start: int
    end: int

    def chunks(self) -> list[tuple[int, int]]:
        """Pieces that a portal bears, oldest first, always the same ones for the same range."""
        midnights = self.wall.midnights(self.start, self.end)
        borders = [*midnights[:-1:LONGEST_RANGE], midnights[-1]]
        return list(pairwise(borders))

    def date_range(self, start: int, end: int) -> str:
        """The days of some of it: the first and the last date."""
        return f"{self.wall.date_text(start)} to {self.wall.date_text(end - 1)}"

    @property
    def days(self) -> int:
        """How many local days it has."""
        return self.wall.days_between(self.start, self.end)


def task_of(job: Job, wanted: DayRange) -> str:
    """What tells one job from another. A range without an end is the same tomorrow, when it ends a day later."""
    return f"{job.key} {job.start} {'open' if wanted.last is None else job.end}"


def in_order(jobs: Sequence[Job], *, oldest_first: bool) -> Iterator[tuple[Job, int, int]]:
    """All chunks of all jobs, one location after the other: a database gets the newest days first."""
    for job in jobs:
        chunks = job.chunks()
        for start, end in chunks if oldest_first else reversed(chunks):
            yield job, start, end
