"""The progress of a backfill as a bar, as a line a chunk, or as warnings alone; all on standard error."""

from contextlib import suppress

from rich import progress as bars
from rich.console import Console

from ..terminal import plain_console
from .journal import CompletedChunk, Totals
from .plan import Job


class Progress:
    """Nothing but what a person should know."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, days: int, done: int) -> None:
        """So many local days in all, so many of them done by an earlier run."""

    def waits(self, what: str) -> None:
        """What is waited for as a matter of course; empty when nothing is."""

    def retries(self, why: str) -> None:
        """What went wrong and when it is tried again; empty when it is."""

    def wrote(self, job: Job, done: CompletedChunk) -> None:
        """A chunk was written and read back."""

    def warn(self, message: str) -> None:
        """The message on a line of its own."""
        with suppress(OSError):
            self._console.print(message, soft_wrap=True)

    def end(self) -> None:
        """Nothing more comes."""


class Lines(Progress):
    """One line a chunk, for logs."""

    def retries(self, why: str) -> None:
        """A line: what is waited for otherwise is the ordinary course."""
        if why:
            self.warn(why)

    def wrote(self, job: Job, done: CompletedChunk) -> None:
        """What the chunk was."""
        days = job.date_range(done.start, done.end)
        self.warn(f"location {job.key.location}, {days}: {summed(done.totals)}, {done.totals.samples:,} samples sent")


class Bar(Progress):
    """A bar with the days that are done, the speed, the time that is left, and what is waited for."""

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
        """Beside the bar."""
        self.retries(f"waiting for {what}" if what else "")

    def retries(self, why: str) -> None:
        """Beside the bar."""
        self._bar.update(self._task, waiting=why)

    def wrote(self, job: Job, done: CompletedChunk) -> None:
        """Move the bar."""
        self._intervals += done.totals.intervals
        elapsed = self._bar.tasks[0].elapsed or 0.0
        speed = f"{self._intervals / elapsed:.0f} intervals/s" if elapsed else ""
        days = job.wall.days_between(done.start, done.end)
        self._bar.update(self._task, advance=days, speed=speed, description=f"location {job.key.location}")

    def end(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def progress_for(*, wanted: bool) -> Progress:
    """A bar on a terminal, lines elsewhere; neither where it is not wanted."""
    console = plain_console(stderr=True)
    if not wanted:
        return Progress(console)
    return Bar(console) if console.is_terminal else Lines(console)


def summed(totals: Totals) -> str:
    """Intervals, energy and cost in a few words."""
    cost = f", ${totals.cost:,.2f}" if totals.cost else ""
    return f"{totals.intervals:,} intervals, {energy(totals)}{cost}"


def energy(totals: Totals) -> str:
    """What was drawn, and what was sent if anything was."""
    sent = f", {totals.export:,.2f} kWh sent" if totals.export else ""
    return f"{totals.usage:,.2f} kWh drawn{sent}"
