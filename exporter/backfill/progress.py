"""Progress of a backfill on standard error: a bar, lines, or only warnings."""

from contextlib import suppress

from rich import progress as bars
from rich.console import Console

from ..terminal import plain_console
from .journal import CompletedChunk, Totals
from .plan import Job


class Progress:
    """Prints warnings only."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, days: int, done: int) -> None:
        """Start, with the number of local days in all and of those done by an earlier run."""

    def waits(self, what: str) -> None:
        """Show what the backfill is waiting for in its normal course.

        Empty when the wait is over.
        """

    def retries(self, why: str) -> None:
        """Show what failed and when it will be retried; empty when the wait is over."""

    def wrote(self, job: Job, done: CompletedChunk) -> None:
        """Show that a chunk was written and read back."""

    def warn(self, message: str) -> None:
        """Print a message on its own line."""
        with suppress(OSError):
            self._console.print(message, soft_wrap=True)

    def end(self) -> None:
        """Clean up at the end."""


class Lines(Progress):
    """Prints one line per chunk, for logs."""

    def retries(self, why: str) -> None:
        """Print why a retry is needed."""
        if why:
            self.warn(why)

    def wrote(self, job: Job, done: CompletedChunk) -> None:
        """Print the days of the chunk and what was written."""
        days = job.date_range(done.start, done.end)
        totals = done.totals
        cost = f", ${totals.cost:,.2f}" if totals.cost else ""
        what = f"{totals.intervals:,} intervals, {energy(totals)}{cost}"
        self.warn(f"location {job.key.location}, {days}: {what}, {totals.samples:,} samples sent")


class Bar(Progress):
    """Shows a bar with finished days, speed, remaining time and the current wait."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar = bars.Progress(
            "{task.description}",
            bars.BarColumn(),
            bars.TaskProgressColumn(),
            "{task.completed:.0f}/{task.total:.0f} days",
            "{task.fields[speed]}",
            bars.TimeRemainingColumn(),
            "{task.fields[waiting]}",
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("backfill", total=None, start=False, speed="", waiting="")
        self._intervals = 0

    def begin(self, days: int, done: int) -> None:
        """Show the bar."""
        self._bar.update(self._task, total=days, completed=done)
        self._bar.start_task(self._task)
        self._bar.start()

    def waits(self, what: str) -> None:
        """Show the wait beside the bar."""
        self.retries(f"waiting for {what}" if what else "")

    def retries(self, why: str) -> None:
        """Show the reason for a retry beside the bar."""
        self._bar.update(self._task, waiting=why)

    def wrote(self, job: Job, done: CompletedChunk) -> None:
        """Advance the bar."""
        self._intervals += done.totals.intervals
        elapsed = self._bar.tasks[0].elapsed or 0.0
        speed = f"{self._intervals / elapsed:.0f} intervals/s" if elapsed else ""
        days = job.wall.days_between(done.start, done.end)
        self._bar.update(self._task, advance=days, speed=speed, description=f"location {job.key.location}")

    def end(self) -> None:
        """Remove the bar."""
        self._bar.stop()


def progress_for(*, wanted: bool) -> Progress:
    """Return a bar on a terminal, lines elsewhere, or only warnings if not `wanted`."""
    console = plain_console(stderr=True)
    if not wanted:
        return Progress(console)
    return Bar(console) if console.is_terminal else Lines(console)


def energy(totals: Totals) -> str:
    """Format the energy used and, if there was any, exported."""
    exported = f", {totals.export:,.2f} kWh exported" if totals.export else ""
    return f"{totals.usage:,.2f} kWh used{exported}"
