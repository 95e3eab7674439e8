"""How a database proves that it has what it took: what is missing, a digest of it, and how long to look for it."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TypeVar

from ..clock import Clock
from ..databases.http import DatabaseHttp
from ..databases.vm_flags import retention, retention_notes
from ..errors import DatabaseError

_FLUSH = "/internal/force_flush"
_LOST_AFTER = 0.5
_LOOK = 0.5  # seconds between two looks

_Stored = TypeVar("_Stored")
_Samples = Mapping[tuple[tuple[str, str], ...], Mapping[int, object]]
"""By labels or tags, and by second."""


def count(samples: _Samples) -> int:
    """How many samples there are."""
    return sum(map(len, samples.values()))


def missing(wanted: _Samples, stored: _Samples) -> list[int]:
    """The seconds of the samples of which nothing is stored."""
    return [second for series, samples in wanted.items() for second in samples.keys() - stored.get(series, {}).keys()]


def digest(stored: _Samples) -> bytes:
    """Changes with anything that is stored."""
    found = blake2b(digest_size=16)
    for series, samples in sorted(stored.items()):
        if samples:
            found.update(repr((series, sorted(samples.items()))).encode())
    return found.digest()


def not_kept(total: int, things: str, seconds: Collection[int]) -> str:
    """What became of samples that were taken and are not there."""
    first = f"{datetime.fromtimestamp(min(seconds), UTC):%Y-%m-%d %H:%M} UTC"
    return f"took {total} {things} and did not keep {len(seconds)} of them, from {first} on"


class Visibility:
    """Looks at a VictoriaMetrics until what it has taken can be seen.

    api: where it is written to. seconds: how long it may hide what it has taken.
    """

    def __init__(self, api: DatabaseHttp, clock: Clock, seconds: float) -> None:
        self._api = api
        self._clock = clock
        self._seconds = seconds
        self._flushes = True
        self.period: float | None = None
        """For how many seconds it keeps samples, where it tells."""

    def learn(self, flags: Mapping[str, str] | None, oldest: int) -> list[str]:
        """Learn from its flags how long it keeps samples; gives what a person should know before."""
        self.period = retention(flags)
        return retention_notes(self.period, oldest, self._clock.now())

    @property
    def kept_from(self) -> float:
        """What is older than this is dropped."""
        return 0.0 if self.period is None else self._clock.now() - self.period

    def wait(self, read: Callable[[], _Stored], todo: Callable[[_Stored], _Samples]) -> _Stored:
        """What is stored, as soon as nothing is left to do, or will hardly be seen any more.

        A value that takes the place of another one can take as long to be seen as a new one.
        """
        started = self._clock.monotonic()
        while True:
            self._flush()
            stored = read()
            newest = max((second for samples in todo(stored).values() for second in samples), default=None)
            if newest is None or self._clock.monotonic() - started > self._timeout(newest):
                return stored
            self._clock.sleep(_LOOK)

    def _timeout(self, newest: int) -> float:
        """For how long to look: hardly for what is older than what is kept, where it can be shown at once."""
        return _LOST_AFTER if self._flushes and newest < self.kept_from else self._seconds

    def _flush(self) -> None:
        if self._flushes:
            try:
                self._api.get(_FLUSH)
            except DatabaseError as error:
                if error.passes_by_itself:
                    raise
                self._flushes = False  # a cluster, or a proxy that does not let us: then it takes its time
