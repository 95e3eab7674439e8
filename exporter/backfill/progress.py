"""What a person sees of a running backfill: nothing here, more in `progress_bar`."""

from .journal import Totals
from .plan import Job


class Progress:
    """Told how far a backfill is; shows nothing of it."""

    def begin(self, days: int, done: int) -> None:
        """So many local days in all, so many of them done by an earlier run."""

    def waits(self, what: str) -> None:
        """What is waited for as a matter of course; empty when nothing is."""

    def retries(self, why: str) -> None:
        """What went wrong and when it is tried again; empty when it is."""

    def wrote(self, job: Job, start: int, end: int, totals: Totals) -> None:
        """A chunk was written and read back."""

    def warn(self, message: str) -> None:
        """Something that a person should know."""

    def end(self) -> None:
        """Nothing more comes."""
