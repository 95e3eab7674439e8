"""Progress of a backfill on standard error: a bar, lines, or only warnings."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from rich import progress as bars
from rich.console import Console, RenderableType
from rich.text import Text

from ..formatting import printable
from ..intervals.model import LocationKey
from ..terminal import plain_console
from .journal import CompletedChunk, Totals
from .plan import Job


class Progress:
    """Prints warnings only."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, jobs: Sequence[Job], days: int | None, done: int) -> None:
        """Start, with the number of local days in all, if known, and of those done by an earlier run."""

    def waits(self, what: str) -> None:
        """Show what the backfill is waiting for in its normal course.

        Empty when the wait is over.
        """

    def retries(self, why: str) -> None:
        """Show what failed and when it will be retried; empty when the wait is over."""

    def read(self, job: Job, start: int, end: int, connected: int | None) -> None:
        """Show days that were read, from `start` to `end` in seconds UTC, before any of their location is written.

        connected: the start of the day on which the location was connected, if known.
        """

    def wrote(self, job: Job, done: CompletedChunk, connected: int | None) -> None:
        """Show that a chunk was written and read back."""

    def warn(self, message: str) -> None:
        """Print a message on its own line."""
        with suppress(OSError):
            self._console.print(message, soft_wrap=True)

    def fails(self, message: str) -> None:
        """Print why the run ends, unless the summary that follows is seen on the same terminal."""
        if not sys.stdout.isatty():
            self.warn(message)

    def end(self) -> None:
        """Clean up at the end."""


class Lines(Progress):
    """Prints one line per chunk, for logs."""

    def retries(self, why: str) -> None:
        """Print why a retry is needed."""
        if why:
            self.warn(why)

    def read(self, job: Job, start: int, end: int, connected: int | None) -> None:  # noqa: ARG002 - the newest days come first
        """Print how far back the location was read."""
        self.warn(f"location {job.key.location}: read as far back as {job.wall.date_text(start)}")

    def wrote(self, job: Job, done: CompletedChunk, connected: int | None) -> None:  # noqa: ARG002 - it has no total
        """Print the days of the chunk and what was written."""
        days = job.date_range(done.start, done.end)
        totals = done.totals
        if not totals.intervals:
            self.warn(f"location {job.key.location}, {days}: no intervals")
            return
        cost = f", ${totals.cost:,.2f}" if totals.cost else ""
        what = f"{totals.intervals:,} intervals, {energy(totals)}{cost}"
        self.warn(f"location {job.key.location}, {days}: {what}, {totals.samples:,} samples sent")


class _Bars(bars.Progress):
    """A bar, and below it what is being waited for."""

    waiting = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        if self.waiting:
            yield Text(printable(f"  waiting for {self.waiting}"))


class Bar(Progress):
    """Shows a bar with finished days, speed, remaining time and the current wait.

    If the number of days is not known, it shows how far back the backfill is instead of a bar.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar: _Bars | None = None
        self._intervals = 0
        self._locations: list[LocationKey] = []
        self._is_read_first = False

    def begin(self, jobs: Sequence[Job], days: int | None, done: int) -> None:
        """Show the bar."""
        self._locations = [job.key for job in jobs]
        known = [bars.BarColumn(12), bars.TaskProgressColumn()] if days else [bars.SpinnerColumn("line")]
        text = "{task.completed:,.0f}/{task.total:,.0f} days" if days else "{task.completed:,.0f} days"
        last = ["{task.fields[speed]}", bars.TimeRemainingColumn()] if days else []
        columns = ["{task.description}", *known, text, *last]
        self._bar = _Bars(*columns, console=self._console, transient=True)
        self._bar.add_task("backfill", total=days, completed=done, speed="")
        self._bar.start()

    def waits(self, what: str) -> None:
        """Show the wait below the bar."""
        if self._bar is not None:
            self._bar.waiting = what
            self._bar.refresh()

    def retries(self, why: str) -> None:
        """Print the reason for a retry above the bar, where it stays."""
        if why:
            self.warn(why)

    def read(self, job: Job, start: int, end: int, connected: int | None) -> None:
        """Show how far back the location was read."""
        self._is_read_first = True
        text = f"{self._place(job)}, read back to {_reached(job, start, connected)}"
        self._update(advance=job.wall.days_between(start, end), description=text)

    def wrote(self, job: Job, done: CompletedChunk, connected: int | None) -> None:
        """Advance the bar."""
        self._intervals += done.totals.intervals
        elapsed = (self._bar.tasks[0].elapsed if self._bar else None) or 0.0
        days = 0 if self._is_read_first else job.wall.days_between(done.start, done.end)
        reached = f", back to {_reached(job, done.start, connected)}" if job.from_first and days else ""
        self._update(
            advance=days,
            speed=f"{self._intervals / elapsed:,.0f} intervals/s" if elapsed else "",
            description=f"{self._place(job)}{reached}",
        )

    def _place(self, job: Job) -> str:
        return f"location {self._locations.index(job.key) + 1} of {len(self._locations)}"

    def _update(self, **values: Any) -> None:  # noqa: ANN401 - as rich takes them
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], **values)

    def end(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()


def _reached(job: Job, start: int, connected: int | None) -> str:
    end = "" if connected is None else f" of {job.wall.date_text(connected)}"
    return f"{job.wall.date_text(start)}{end}"


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
