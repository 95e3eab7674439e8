"""What every sink does, and what passes between it and the backfill."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from ..intervals.model import LocationKey, Meter
from ..portal.raw_series import RawSeries


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a backfill waits, in seconds.

    retries: before a chunk is offered again to a database that restarts. settling: after which a kill takes back
    nothing that was written (tsdb-facts D6). visible: for what was taken to be seen; at once when flushed, but negative
    look-ups are cached for ten seconds (tsdb-facts D5).
    """

    retries: tuple[float, ...] = (2.0, 10.0, 30.0)
    settling: float = 15.0
    visible: float = 12.0


DEFAULT_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some whole local days of one location as the portal gives them now; start and end are local midnights, UTC.

    meters: with the intervals and days of the chunk, each value with the version of its sample. series: the same before
    import, export and cost were told apart, for the layout that wants it so.
    """

    key: LocationKey
    zone: ZoneInfo
    start: int
    end: int
    meters: tuple[Meter, ...]
    series: tuple[RawSeries, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """A chunk that the sink has; one that can be read back was found equal to the portal's.

    samples: how many were sent; those that were there already are not. corrected: intervals of which another value was
    stored. gone: stored samples that the portal no longer has. seal: changes with anything that is stored of the chunk.
    """

    key: LocationKey
    start: int
    end: int
    samples: int = 0
    corrected: int = 0
    gone: int = 0
    digest: bytes = field(default=b"", repr=False, compare=False)


class Sink(ABC):
    """A destination of a backfill.

    name: for people. identity: what tells it from another one of the same name, for the journal. oldest_first: it wants
    the chunks in the order of time. resumes: what was written before an end half-way need not be written again.
    is_verified: it gives back what it took, so that it can be compared. settling: seconds for which written samples may
    still be lost if it is killed. wants_series: it writes the series as the portal gives them. is_remote: it may keep
    one waiting. streams: what is written is out at once, and cannot be taken back.
    """

    name: str
    identity: str = ""
    oldest_first: bool = False
    resumes: bool = True
    is_verified: bool = True
    settling: float = 0.0
    wants_series: bool = False
    is_remote: bool = True
    streams: bool = False

    @abstractmethod
    def open(self, oldest: int) -> list[str]:
        """Prove that it can be written and read; gives what a person should know before, `oldest` is the first instant.

        Raises DatabaseError or ConfigError.
        """

    @abstractmethod
    def write(self, chunk: Chunk) -> Written:
        """Write a chunk, read it back and compare every sample. Raises DatabaseError where it does not hold it."""

    def still_holds(self, written: Written) -> bool:  # noqa: ARG002 - most need not look
        """Whether it holds a chunk as it was, now that it has settled. Raises DatabaseError."""
        return True

    @abstractmethod
    def finish(self) -> None:
        """Everything is written. Raises DatabaseError."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it, finished or not."""
