"""`backfill`: history from the portal into a database or a file, proven to be there."""

import argparse
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from hashlib import blake2b

from ..backfill.fetcher import Fetcher
from ..backfill.journal import CompletedChunk, Journal
from ..backfill.plan import EARLIEST, DayRange, Job, read_range, task_of
from ..backfill.progress_bar import progress_for
from ..backfill.report import plan_lines, summary_lines
from ..backfill.result import BackfillResult
from ..backfill.retry import retry_database
from ..backfill.runner import Backfill
from ..backfill.sources import Sources
from ..clock import SystemClock
from ..config import Config, Overrides, load_config
from ..errors import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, ConfigError
from ..locations import configured_zone
from ..process import Stopping, collect_seldom
from ..sinks.base import DEFAULT_PATIENCE, Patience, Sink, Written
from ..sinks.factory import KINDS, make_sink
from ..storage.snapshots import SnapshotStore
from ..storage.state import StateFile
from ..terminal import input_on_stderr, is_interactive, plain_console

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `backfill`."""
    parser.add_argument("--start", metavar="DATE", help="first local day, YYYY-MM-DD")
    parser.add_argument("--end", metavar="DATE", help="last local day, included (default today)")
    parser.add_argument(
        "--days", metavar="N", type=int, help="so many local days, today included (default extract_days)"
    )
    parser.add_argument("--to", choices=KINDS, help="where to (default the database that the configuration has)")
    parser.add_argument("--output", metavar="FILE", help="with --to csv or openmetrics; - is standard output")
    parser.add_argument("--location", metavar="NUMBER", action="append", default=[], help="only this one (repeatable)")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--restart", action="store_true", help="begin anew, whatever an earlier run did")
    parser.add_argument("--yes", action="store_true", help="do not ask, and write over a file that is there")
    parser.add_argument("--no-progress", action="store_true", help="neither a bar nor lines")


def run(arguments: argparse.Namespace, patience: Patience = DEFAULT_PATIENCE) -> int:
    """Backfill. Raises ConfigError, PortalError or DatabaseError where nothing could be begun."""
    # Until there is something to save, SIGTERM is as good as Ctrl-C.
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
        with Sources(config, state, clock) as sources:
            jobs = sources.jobs(days, frozenset(arguments.location))
            return _Run(arguments, config, days, sink, state, sources, clock, patience).run(jobs)
    except KeyboardInterrupt:
        print("\nNothing was begun. The same command begins it.", file=sys.stderr)  # noqa: T201
        return EXIT_PARTLY
    finally:
        sink.close()
        state.close()


class _Run:
    """One backfill from its plan to its summary."""

    def __init__(  # noqa: PLR0917
        self,
        arguments: argparse.Namespace,
        config: Config,
        wanted_days: DayRange,
        sink: Sink,
        state: StateFile,
        sources: Sources,
        clock: SystemClock,
        patience: Patience,
    ) -> None:
        self._patience = patience
        self._arguments = arguments
        self._config = config
        self._wanted = wanted_days
        self._sink = sink
        self._state = state
        self._sources = sources
        self._clock = clock
        self._stopping: Stopping | None = None
        # What goes to standard output as data must not be mixed with what is for people.
        to_standard_output = arguments.output == "-"
        self._out = plain_console(stderr=to_standard_output)

    def run(self, jobs: Sequence[Job]) -> int:
        """Show the plan, ask, do it, and say what came of it."""
        if self._sink.wants_series and len(jobs) > 1:
            numbers = ", ".join(job.key.location for job in jobs)
            raise ConfigError(
                f"the per-minute layout has room for one location, and there are {len(jobs)} ({numbers}): choose one"
                " with --location NUMBER, or set per_minute: false"
            )
        oldest = min(job.start for job in jobs)
        # A database that is started together with this command may take a while.
        waits = () if self._arguments.dry_run else self._patience.retries
        notes = retry_database(lambda: self._sink.open(oldest), self._clock, self._retries, waits)
        notes = [*self._sources.problems, *self._sources.notes, *_about_days(self._wanted, jobs), *notes]
        journal, done, lost = self._journal(jobs)
        notes += lost
        for line in plan_lines(jobs, self._sink, notes, done):
            self._print(line)
        if self._arguments.dry_run:
            self._print("Nothing is done: --dry-run.")
            return EXIT_DONE
        if not self._may_go_on():
            self._print("Nothing is done.")
            return EXIT_FAILED
        if journal is not None:
            journal.begin(anew=self._arguments.restart)
        started = self._clock.monotonic()
        result = self._do(jobs, journal, done)
        if journal is not None and result.left == 0 and not result.errors:
            journal.remove()
        result.errors += self._sources.problems
        seconds = self._clock.monotonic() - started
        for line in summary_lines(result, jobs, self._sink, sum(self._sources.requests.values()), seconds):
            self._print(line)
        return self._end(result, jobs)

    def _journal(self, jobs: Sequence[Job]) -> tuple[Journal | None, list[CompletedChunk], list[str]]:
        """The journal, what it tells of earlier runs that is still there, and a note on what is not."""
        if not self._sink.resumes:
            return None, [], []
        task = (self._sink.name, _digest(self._sink.identity), *(task_of(job, self._wanted) for job in jobs))
        journal = Journal(self._state, self._clock, task)
        if self._arguments.restart:
            return journal, [], []
        # The last chunk of a range that ends today was a shorter one yesterday.
        chunks = {(job.key, *chunk) for job in jobs for chunk in job.chunks()}
        done = [each for each in journal.read() if each.chunk_key in chunks]
        held = [each for each in done if self._still_holds(each)]
        lost = len(done) - len(held)
        if not lost:
            return journal, held, []
        what = "1 chunk of an earlier run is" if lost == 1 else f"{lost} chunks of an earlier run are"
        return journal, held, [f"{what} not there any more as written: fetched again"]

    def _still_holds(self, done: CompletedChunk) -> bool:
        written = Written(done.key, done.start, done.end, digest=done.digest)
        return retry_database(
            lambda: self._sink.still_holds(written), self._clock, self._retries, self._patience.retries
        )

    def _may_go_on(self) -> bool:
        if self._arguments.yes:
            return True
        if not is_interactive():
            self._print("Nobody is there to be asked: going on.")
            return True
        try:
            return input_on_stderr("Go on? [Y/n]: ").strip().lower() in ("", "y", "yes")
        except (EOFError, UnicodeDecodeError):
            print(file=sys.stderr)  # noqa: T201 - the answer was no line
            return False

    def _do(self, jobs: Sequence[Job], journal: Journal | None, done: Sequence[CompletedChunk]) -> BackfillResult:
        # Kept, since signals go through it for as long as there are any.
        self._stopping = stopping = Stopping()
        threading.Thread(target=self._stop_when_asked, args=(stopping,), daemon=True).start()
        window = self._config.exporter.window
        store = SnapshotStore(self._state, window, partial(configured_zone, self._config.logins))

        def known_steps(job: Job) -> dict[str, int]:
            location = store.snapshot.locations.get(job.key)
            known = {meter.info.number: meter.info.step for meter in location.meters} if location else {}
            return known or self._sources.steps(job)

        progress = progress_for(wanted=not self._arguments.no_progress)
        fetcher = Fetcher(
            self._sources.clients, known_steps, self._clock, progress.retries, wants_series=self._sink.wants_series
        )
        backfill = Backfill(
            jobs,
            self._sink,
            fetcher,
            journal=journal,
            store=store,
            state=self._state,
            window=window,
            clock=self._clock,
            progress=progress,
            patience=self._patience,
        )
        zones = {job.key: job.wall for job in jobs}
        days_done = sum(zones[each.key].days_between(each.start, each.end) for each in done)
        progress.begin(sum(job.days for job in jobs), days_done)
        try:
            return backfill.run(done)
        finally:
            progress.end()

    def _stop_when_asked(self, stopping: Stopping) -> None:
        stopping.wait()
        self._clock.stop()

    def _end(self, result: BackfillResult, jobs: Sequence[Job]) -> int:
        if result.left == 0 and not result.errors and not result.is_stopped:
            return EXIT_DONE
        goes_on = self._sink.resumes and self._state.is_kept
        if result.is_stopped:
            # Whoever presses twice would kill the interpreter while it tidies up, and hide the exit code.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        if result.is_stopped or (goes_on and result.done):
            how = "goes on where it stopped" if goes_on and result.left else "begins anew"
            again = _again(self._arguments, self._wanted, jobs)
            print(f"The same command {how}: {again}", file=sys.stderr)  # noqa: T201
        if result.is_stopped or (result.done and (self._sink.resumes or result.is_finished)):
            return EXIT_PARTLY
        return EXIT_FAILED

    def _retries(self, why: str) -> None:
        if why:
            print(why, file=sys.stderr, flush=True)  # noqa: T201 - there is no bar yet

    def _print(self, line: str) -> None:
        self._out.print(line, soft_wrap=True)


def _about_days(is_configured: DayRange, jobs: Sequence[Job]) -> list[str]:
    """Where the days are not those that were asked for."""
    notes = []
    if is_configured.first is not None and is_configured.first < EARLIEST:
        notes.append(f"--start {is_configured.first}: no portal reaches back that far, the days begin with {EARLIEST}")
    if is_configured.last is not None and any(
        is_configured.last.isoformat() > job.wall.date_text(job.end - 1) for job in jobs
    ):
        notes.append(f"--end {is_configured.last} lies in the future: the days end with today")
    return notes


def _digest(identity: str) -> str:
    """Of what tells one destination from another; a URL may hold a secret."""
    return blake2b(identity.encode(), digest_size=8).hexdigest()


def _again(arguments: argparse.Namespace, is_configured: DayRange, jobs: Sequence[Job]) -> str:
    """The command that goes on; where days were counted back from today, by their first one: tomorrow it is another."""
    words = [word for word in sys.argv[1:] if word != "--restart"]
    if is_configured.first is None and is_configured.last is None:
        if arguments.days is not None:
            at = next(position for position, word in enumerate(words) if word.partition("=")[0] == "--days")
            del words[at : at + (1 if "=" in words[at] else 2)]
        words += ["--start", jobs[0].wall.date_text(jobs[0].start)]
    return shlex.join(["smarthub-exporter", *words])
