"""The progress of a backfill as a bar, as a line a chunk, or as warnings alone; all on standard error."""

from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..formatting import local_date
from ..terminal import plain_console
from .journal import Totals
from .plan import Job
from .progress import Progress as Shown


def progress_for(*, wanted: bool) -> Shown:
    """A bar on a terminal, lines elsewhere; neither where it is not wanted."""
    console = plain_console(stderr=True)
    if not wanted:
        return Warnings(console)
    return Bar(console) if console.is_terminal else Lines(console)


class Warnings:
    """Nothing but what a person should know."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, days: int, done: int) -> None:
        """Nothing to show."""

    def waits(self, what: str) -> None:
        """Nothing to show."""

    def retries(self, why: str) -> None:
        """Nothing to show."""

    def wrote(self, job: Job, start: int, end: int, totals: Totals) -> None:
        """Nothing to show."""

    def warn(self, message: str) -> None:
        """The message on a line of its own."""
        with suppress(OSError):
            self._console.print(message, soft_wrap=True)

    def end(self) -> None:
        """Nothing to show."""


class Lines(Warnings):
    """One line a chunk, for logs."""

    def retries(self, why: str) -> None:
        """A line: what is waited for otherwise is the ordinary course."""
        if why:
            self.warn(why)

    def wrote(self, job: Job, start: int, end: int, totals: Totals) -> None:
        """What the chunk was."""
        zone = job.wall.zone
        days = f"{local_date(start, zone)} to {local_date(end - 1, zone)}"
        self.warn(f"location {job.key.location}, {days}: {summed(totals)}, {totals.samples:,} samples sent")


class Bar(Warnings):
    """A bar with the days that are done, the speed, the time that is left, and what is waited for."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} days"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[waiting]}"),
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
        self._bar.update(self._task, waiting=f"waiting for {what}" if what else "")

    def retries(self, why: str) -> None:
        """Beside the bar."""
        self._bar.update(self._task, waiting=why)

    def wrote(self, job: Job, start: int, end: int, totals: Totals) -> None:
        """Move the bar."""
        self._intervals += totals.intervals
        elapsed = self._bar.tasks[0].elapsed or 0.0
        speed = f"{self._intervals / elapsed:.0f} intervals/s" if elapsed else ""
        days = job.wall.days_between(start, end)
        self._bar.update(self._task, advance=days, speed=speed, description=f"location {job.key.location}")

    def end(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def summed(totals: Totals) -> str:
    """Intervals, energy and cost in a few words."""
    sent = f", {totals.export:,.2f} kWh sent" if totals.export else ""
    cost = f", ${totals.cost:,.2f}" if totals.cost else ""
    return f"{totals.intervals:,} intervals, {totals.usage:,.2f} kWh drawn{sent}{cost}"
