"""`backfill`: load history into a database or a file, and verify it."""

import argparse
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from rich.text import Text

from ..backfill.durability import destination_of
from ..backfill.fetcher import Fetcher
from ..backfill.journal import CompletedChunk, Journal
from ..backfill.plan import EARLIEST, DayRange, Job, KnownSteps, days_in, expected_start, read_range, task_of
from ..backfill.progress import Lines, progress_for
from ..backfill.report import plan, summary_lines
from ..backfill.result import BackfillResult
from ..backfill.retry import in_background, retry_database
from ..backfill.runner import Backfill, still_holds
from ..backfill.sources import Sources
from ..clock import SystemClock
from ..config import Config, Overrides, load_config
from ..errors import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, ConfigError, DatabaseError
from ..formatting import counted
from ..guide.next_steps import promtool_lines
from ..locations import configured_zone
from ..process import Stopping, collect_seldom
from ..sinks.base import DEFAULT_PATIENCE, Patience, Sink
from ..sinks.factory import KINDS, OPENMETRICS, make_sink
from ..storage.snapshots import SnapshotStore
from ..storage.state import StateFile
from ..terminal import WIDTH_WITHOUT_TERMINAL, input_on_stderr, is_interactive, plain_console

log = logging.getLogger(__name__)

_POLLS = 2  # one is computed by the portal while another one is read; more than four are a burden for it
_MOST_POLLS = 4
_CANCELED = "Canceled; nothing was sent."

_Result = TypeVar("_Result")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `backfill`."""
    parser.add_argument(
        "--start", metavar="DATE", help="first local day (YYYY-MM-DD), or the word first for the whole history"
    )
    parser.add_argument("--end", metavar="DATE", help="last local day, inclusive (default: today)")
    parser.add_argument(
        "--days", metavar="N", type=int, help="number of local days, including today (default: extract_days)"
    )
    parser.add_argument("--to", choices=KINDS, help="destination (default: the database in the configuration)")
    parser.add_argument("--output", metavar="FILE", help="file for csv and openmetrics; - is standard output")
    parser.add_argument(
        "--location", metavar="NUMBER", action="append", default=[], help="only this service location (repeatable)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show the plan")
    parser.add_argument("--restart", action="store_true", help="start over, ignoring earlier runs")
    parser.add_argument("--yes", action="store_true", help="skip the confirmation and overwrite an existing file")
    parser.add_argument(
        "--concurrency",
        metavar="N",
        type=int,
        choices=range(1, _MOST_POLLS + 1),
        default=_POLLS,
        help=f"polls in progress per login, 1 to {_MOST_POLLS} (default: {_POLLS})",
    )
    parser.add_argument("--no-progress", action="store_true", help="no progress output")


def run(arguments: argparse.Namespace, patience: Patience = DEFAULT_PATIENCE) -> int:
    """Run a backfill.

    Raises ConfigError, PortalError or DatabaseError if it cannot start.
    """
    # Until there is something to save, SIGTERM works like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    collect_seldom()
    config = load_config(arguments.config_file, os.environ, Overrides(state_dir=arguments.state_dir))
    for warning in config.warnings:
        log.warning("%s", warning)
    days = read_range(arguments.start, arguments.end, arguments.days, config.extract_days)
    clock = SystemClock()
    sink = make_sink(arguments.to, arguments.output, config, clock, patience, overwrite=arguments.yes)
    state = StateFile(config.exporter.state_dir)
    try:
        with closing(Sources(config, state, clock, arguments.concurrency)) as sources:
            jobs = sources.jobs(days, frozenset(arguments.location))
            return _Run(arguments, config, days, sink, state, sources, clock, patience).run(jobs)
    except KeyboardInterrupt:
        print(f"\n{_CANCELED} Run the same command to start.", file=sys.stderr)  # noqa: T201
        return EXIT_PARTLY
    finally:
        sink.close()
        state.close()


@dataclass
class _Run:
    """One backfill, from its plan to its summary."""

    arguments: argparse.Namespace
    config: Config
    wanted: DayRange
    sink: Sink
    state: StateFile
    sources: Sources
    clock: SystemClock
    patience: Patience

    def __post_init__(self) -> None:
        # Messages must not end up in data that goes to standard output.
        self._out = plain_console(stderr=self.arguments.output == "-")
        if not self._out.is_terminal:
            self._out.width = WIDTH_WITHOUT_TERMINAL

    def run(self, jobs: Sequence[Job]) -> int:
        """Show the plan, ask for confirmation, run it and show the summary."""
        if self.sink.wants_series and len(jobs) > 1:
            numbers = ", ".join(job.key.location for job in jobs)
            raise ConfigError(
                f"the per-minute layout holds one location, but there are {len(jobs)} ({numbers}); choose one with"
                " --location NUMBER, or set per_minute: false"
            )
        journal, done, notes = self._prepared(jobs)
        notes = [*self.sources.problems, *self.sources.notes, *_about_days(self.wanted, jobs), *notes]
        for part in plan(jobs, self.sink, notes, done, self._out.width):
            self._print(part)
        if self.arguments.dry_run:
            walks = "the portal was not asked how far back it goes, and " if self.wanted.from_first else ""
            self._print(f"Dry run: {walks}nothing was changed.")
            return EXIT_DONE
        if not self._is_confirmed():
            self._print(_CANCELED)
            return EXIT_FAILED
        if journal is not None:
            journal.begin(restart=self.arguments.restart)
        started = self.clock.monotonic()
        result = self._do(jobs, journal, done)
        if journal is not None and result.left == 0 and not result.errors:
            journal.remove()
        result.errors += self.sources.problems
        seconds = self.clock.monotonic() - started
        for line in summary_lines(result, jobs, self.sink, sum(self.sources.requests.values()), seconds):
            self._print(line)
        output = self.arguments.output
        if self.arguments.to == OPENMETRICS and result.is_finished and output != "-":
            for line in ("", "To load it into Prometheus:", *promtool_lines(output)):
                self._print(line)
        return self._end(result, jobs)

    def _prepared(self, jobs: Sequence[Job]) -> tuple[Journal | None, list[CompletedChunk], list[str]]:
        """Open the sink, and return the journal, its chunks still stored, and notes for the plan.

        A dry run does without a database that does not answer. Raises DatabaseError.
        """
        # A database that was started together with this command may take a while.
        waits = self.patience.retries if self.sink.is_configured and not self.arguments.dry_run else ()
        try:
            notes = self._retry(lambda: self.sink.open(min(map(expected_start, jobs))), waits)
            journal, done, lost = self._journal(jobs, waits)
        except DatabaseError as error:
            if error.passes_by_itself and not (self.sink.is_configured or self.arguments.dry_run):
                raise DatabaseError(
                    "no database is configured, and none answers there",
                    about=self.sink.name,
                    advice="set victoriametrics.url, or write a file with --to csv --output FILE",
                ) from error
            if not (self.arguments.dry_run and error.passes_by_itself):
                raise
            log.warning("%s; showing the plan without it", error)
            return None, [], ["the database was not reached, so its settings and earlier runs are not known"]
        return journal, done, notes + lost

    def _journal(
        self, jobs: Sequence[Job], waits: Sequence[float]
    ) -> tuple[Journal | None, list[CompletedChunk], list[str]]:
        """Return the journal, its chunks still stored, and a note on the others."""
        if not self.sink.resumes:
            return None, [], []
        task = (self.sink.name, destination_of(self.sink), *(task_of(job, self.wanted) for job in jobs))
        journal = Journal(self.state, self.clock, task)
        # The last chunk of a range that ends today was shorter yesterday.
        chunks = {(job.key, *chunk) for job in jobs for chunk in job.chunks()}
        noted = [] if self.arguments.restart else journal.read()
        done = [each for each in noted if each.chunk_key in chunks]
        held = [each for each in done if self._retry(partial(still_holds, self.sink, each), waits)]
        lost = days_in(jobs, done) - days_in(jobs, held)
        note = f"{counted(lost, 'day')} from an earlier run changed or disappeared and will be fetched again"
        return journal, held, [note] if lost else []

    def _retry(self, action: Callable[[], _Result], waits: Sequence[float]) -> _Result:
        # There is no bar yet.
        return retry_database(action, self.clock, Lines(plain_console(stderr=True)).retries, waits)

    def _is_confirmed(self) -> bool:
        if self.arguments.yes:
            return True
        if not is_interactive():
            self._print("Not a terminal: continuing without confirmation.")
            return True
        try:
            return input_on_stderr("Continue? [Y/n]: ").strip().lower() in ("", "y", "yes")
        except (EOFError, UnicodeDecodeError):
            print(file=sys.stderr)  # noqa: T201 - the cursor is still behind the question
            return False

    def _do(self, jobs: Sequence[Job], journal: Journal | None, done: Sequence[CompletedChunk]) -> BackfillResult:
        # Kept as an attribute, since it handles signals as long as it exists.
        self._stopping = Stopping()
        in_background(self._stop_when_asked)
        window = self.config.exporter.window
        store = SnapshotStore(self.state, window, partial(configured_zone, self.config.logins))

        def known_steps(job: Job) -> KnownSteps:
            location = store.snapshot.locations.get(job.key)
            known = {meter.info.number: meter.info.step for meter in location.meters} if location else {}
            return KnownSteps(known) if known else self.sources.steps(job)

        progress = progress_for(wanted=not self.arguments.no_progress)
        fetcher = Fetcher(
            self.sources.clients,
            self.sources.judges,
            known_steps,
            self.clock,
            progress.retries,
            wants_series=self.sink.wants_series,
        )
        backfill = Backfill(
            jobs,
            self.sink,
            fetcher,
            journal=journal,
            store=store,
            state=self.state,
            window=window,
            clock=self.clock,
            progress=progress,
            patience=self.patience,
        )
        days = None if self.wanted.from_first else sum(job.days for job in jobs)
        progress.begin(jobs, days, days_in(jobs, done))
        try:
            return backfill.run(done)
        finally:
            progress.end()

    def _stop_when_asked(self) -> None:
        self._stopping.wait()
        self.clock.stop()

    def _end(self, result: BackfillResult, jobs: Sequence[Job]) -> int:
        if result.left == 0 and not result.errors and not result.is_stopped:
            return EXIT_DONE
        can_resume = self.sink.resumes and self.state.is_kept
        if result.is_stopped:
            # A second Ctrl-C would kill the interpreter during cleanup and hide the exit code.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        if result.is_stopped or (can_resume and result.done):
            how = "resume" if can_resume and result.left else "start over"
            print(f"To {how}, run: {_again(self.wanted, jobs)}", file=sys.stderr)  # noqa: T201
        if result.is_stopped or (result.done if self.sink.resumes else result.is_finished):
            return EXIT_PARTLY
        return EXIT_FAILED

    def _print(self, part: str | Text) -> None:
        self._out.print(part, soft_wrap=True)


def _about_days(wanted: DayRange, jobs: Sequence[Job]) -> list[str]:
    """Note where the days differ from the requested ones."""
    notes = []
    if wanted.first is not None and wanted.first < EARLIEST:
        notes.append(f"--start {wanted.first}: no portal goes back that far; starting on {EARLIEST}")
    if wanted.last is not None and any(wanted.last.isoformat() > job.wall.date_text(job.end - 1) for job in jobs):
        notes.append(f"--end {wanted.last} is in the future; ending today")
    return notes


def _again(wanted: DayRange, jobs: Sequence[Job]) -> str:
    """Return the command that resumes.

    It names the first day if days were counted back from today, which moves.
    """
    others = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    others.add_argument("--restart", action="store_true")
    others.add_argument("--days")
    words = others.parse_known_args(sys.argv[1:])[1]
    if wanted.first is None and wanted.last is None and not wanted.from_first:
        words += ["--start", jobs[0].wall.date_text(jobs[0].start)]
    return shlex.join(["smarthub-exporter", *words])
