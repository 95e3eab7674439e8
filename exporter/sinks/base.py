"""The interface of sinks, and what they exchange with the backfill."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from ..intervals.model import Location, LocationKey, Meter
from ..portal.raw_series import RawSeries


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a backfill waits, in seconds.

    `retries` are the waits before a chunk is sent again to a database that restarts. After `settling` a killed
    database loses nothing that was written, even without a snapshot: docs/samples.md, "Durability". Accepted samples
    are lost if no more of them appear for `visible`; without a flush, lookups that found nothing stay cached:
    docs/samples.md, "Cached answers". Within `probe` the first sample appears, even if a vmagent forwards it.
    """

    retries: tuple[float, ...] = (2.0, 10.0, 30.0)
    settling: float = 15.0
    visible: float = 12.0
    probe: float = 30.0


DEFAULT_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some full local days of one location as the portal returns them now.

    `start` and `end` are local midnights in seconds UTC. `meters` have the intervals and days of the chunk, each value
    with its version. `series` are the portal's own series, for the layout that needs them. `name` is that of the
    location, empty if it has none.
    """

    key: LocationKey
    zone: ZoneInfo
    start: int
    end: int
    meters: tuple[Meter, ...]
    series: tuple[RawSeries, ...] = ()
    name: str = ""

    @property
    def location(self) -> Location:
        """The location with what it has on these days."""
        return Location(self.key, self.name, str(self.zone), self.meters)


@dataclass(frozen=True, slots=True)
class Written:
    """A chunk that the sink holds.

    If it can be read back, it was found equal to the portal's.

    `samples` counts those that were sent, which leaves out those already stored. `corrected` counts intervals with a
    different stored value, `gone` stored samples that the portal no longer has. `digest` changes with anything that is
    stored of the chunk.
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

    `name` is shown in errors and noted in the journal, so another one would lose the runs that can be resumed. `title`
    is shown in the plan and the summary. `identity` distinguishes it in the journal from another one with the same
    name. With
    `oldest_first` the chunks come in order of time. With `resumes` chunks of an interrupted run need not be written
    again. With `is_verified` it can read back and compare what it took. For `settling` seconds written samples may
    still be lost if it is killed, unless a snapshot was made of them. With `wants_series` it writes the portal's own
    series. With `is_remote` a call may hang. With `streams` output cannot be taken back.
    `has_streamed` is set once some of it was written, `size` has the bytes of a finished file.
    `is_configured` is unset for a database that is only expected where one usually is.
    """

    name: str
    title: str
    identity: str = ""
    oldest_first: bool = False
    resumes: bool = True
    is_verified: bool = True
    settling: float = 0.0
    wants_series: bool = False
    is_remote: bool = True
    streams: bool = False
    has_streamed: bool = False
    size: int | None = None
    is_configured: bool = True

    @abstractmethod
    def open(self, oldest: int) -> list[str]:
        """Check that it can be written and read, and return notes for the user.

        `oldest` is the first instant to be written, in seconds UTC. Raises DatabaseError or ConfigError.
        """

    def begin(self) -> None:  # noqa: B027 - most have nothing to prove
        """Prove that what is sent can be read back, before the first chunk. Raises DatabaseError."""

    @abstractmethod
    def write(self, chunk: Chunk) -> Written:
        """Write a chunk, read it back and compare every sample.

        Raises DatabaseError if they differ.
        """

    def still_holds(self, written: Written) -> bool:  # noqa: ARG002 - files need no check
        """Check whether a settled chunk is still stored unchanged. Raises DatabaseError."""
        return True

    def make_snapshot(self) -> str:
        """Write everything that was taken to disk, and return the name of the snapshot that proves it.

        Empty if it cannot make one. Raises DatabaseError if that fails.
        """
        return ""

    def instance(self) -> str:
        """Return what changes when the database is restarted; empty if it is not known.

        What was read back stays until then.
        """
        return ""

    def delete_snapshot(self, name: str) -> None:  # noqa: B027 - most make none
        """Delete a snapshot, unless it is gone. Raises DatabaseError."""

    @abstractmethod
    def finish(self) -> None:
        """Complete the output after the last chunk. Raises DatabaseError."""

    @abstractmethod
    def close(self) -> None:
        """Release connections and files, finished or not."""
