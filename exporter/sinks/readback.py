"""Verify what a database stored: missing samples, a digest, and the wait for it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TypeVar

from ..clock import Clock
from ..databases.http import DatabaseHttp
from ..databases.vm_flags import retention, retention_notes
from ..errors import DatabaseError

_FLUSH = "/internal/force_flush"
_LOST_AFTER = 0.5  # seconds to keep looking for samples older than the retention period
_LOOK = 0.5  # seconds between two reads

_Stored = TypeVar("_Stored")
_Series = TypeVar("_Series", bound=Mapping[int, object])
_Labels = tuple[tuple[str, str], ...]
_Samples = Mapping[_Labels, Mapping[int, object]]
"""By labels or tags, and by second."""


def count(samples: _Samples) -> int:
    """Count the samples."""
    return sum(map(len, samples.values()))


def missing(wanted: _Samples, stored: _Samples) -> list[int]:
    """Return the timestamps, in seconds, of the samples that are not stored."""
    return [second for series, samples in wanted.items() for second in samples.keys() - stored.get(series, {}).keys()]


def digest(stored: Mapping[_Labels, _Series], packed: Callable[[_Series], bytes]) -> bytes:
    """Return a digest that changes with anything that is stored. packed: the samples of a series as bytes."""
    found = blake2b(digest_size=16)
    for series, samples in sorted(stored.items()):
        if samples:
            content = packed(samples)
            found.update(repr((series, len(content))).encode())
            found.update(content)
    return found.digest()


def not_kept(total: int, things: str, seconds: Collection[int]) -> str:
    """Describe accepted samples that are not stored."""
    first = f"{datetime.fromtimestamp(min(seconds), UTC):%Y-%m-%d %H:%M} UTC"
    return f"lost {len(seconds):,} of {total:,} accepted {things}, the first at {first}"


@dataclass
class Visibility:
    """Reads from VictoriaMetrics until accepted samples are visible.

    `api` is where samples are written. They are lost if no more of them appear for `seconds`.
    """

    api: DatabaseHttp
    clock: Clock
    seconds: float
    period: float | None = None
    """The retention in seconds, if known."""
    _flushes: bool = True

    def learn(self, flags: Mapping[str, str] | None, oldest: int) -> list[str]:
        """Learn the retention from the flags.

        Return notes for the user about samples as old as `oldest`.
        """
        self.period = retention(flags)
        return retention_notes(self.period, oldest, self.clock.now())

    @property
    def kept_from(self) -> float:
        """The instant before which samples are dropped, in seconds UTC."""
        return 0.0 if self.period is None else self.clock.now() - self.period

    def wait(
        self, read: Callable[[], _Stored], todo: Callable[[_Stored], _Samples], seconds: float | None = None
    ) -> _Stored:
        """Return what is stored, once nothing is left to do or nothing more appears for `seconds`.

        A slow database is not a lossy one: the time counts from the end of the last read that found more to the start
        of the next one. A value that replaces another one may take as long to become visible as a new one.
        """
        fewest, since = float("inf"), 0.0
        while True:
            began = self.clock.monotonic()
            self._flush()
            stored = read()
            left = todo(stored)
            newest = max((second for samples in left.values() for second in samples), default=None)
            if newest is None:
                return stored
            if count(left) < fewest:
                fewest, since = count(left), self.clock.monotonic()
            # Dropped samples are not worth a long wait, if a flush is possible.
            timeout = _LOST_AFTER if self._flushes and newest < self.kept_from else seconds or self.seconds
            if began - since > timeout:
                return stored
            self.clock.sleep(_LOOK)

    def _flush(self) -> None:
        if self._flushes:
            try:
                self.api.get(_FLUSH)
            except DatabaseError as error:
                if error.passes_by_itself:
                    raise
                self._flushes = False  # a cluster, or a proxy that does not allow it: then it takes longer
