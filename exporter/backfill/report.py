"""The plan before a backfill and the summary after it, line by line."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.text import Text

from ..formatting import counted, length, local_date
from ..sinks.base import Sink
from ..terminal import table_lines
from .journal import CompletedChunk, Totals
from .plan import Job
from .progress import energy
from .result import BackfillResult


def plan(
    jobs: Sequence[Job], sink: Sink, notes: Sequence[str], done: Sequence[CompletedChunk], width: int
) -> Iterator[str | Text]:
    """Describe what will be fetched and where it is written: lines, with a table per portal and zone.

    width: that of the tables, in columns.
    """
    yield f"Writing to {sink.name}"
    groups: dict[tuple[str, str], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.key.portal, str(job.wall.zone)].append(job)
    for (portal, zone), group in groups.items():
        bounds = "" if group[0].from_first else f"\n  {_utc(group[0].start)} to {_utc(group[0].end)} UTC"
        yield ""
        yield f"  {portal}, local days in {zone}{bounds}"
        yield from _plan_table(group, width)
    yield ""
    if jobs[0].from_first:
        yield "  As far back as the portal has intervals: 30 days per request, newest first."
    for note in notes:
        yield f"  Note: {note}"
    if done:
        chunks = counted(len(done) if jobs[0].from_first else sum(len(job.chunks()) for job in jobs), "chunk")
        share = "" if jobs[0].from_first else f"{len(done)} of "
        yield f"Resuming: {share}{chunks} already done (use --restart to start over)."


def _plan_table(jobs: Sequence[Job], width: int) -> Iterator[Text]:
    is_named = any(job.name for job in jobs)
    rows = []
    for job in jobs:
        first, last = job.wall.date_text(job.start), job.wall.date_text(job.end - 1)
        size = ("first", last, "?", "?") if job.from_first else (first, last, f"{job.days:,}", f"{len(job.chunks()):,}")
        name = (job.name or "",) if is_named else ()
        rows.append(("", job.key.location, job.key.account, *size, *name))
    columns = ["", "Location", "Account", "First day", "Last day", "Days", "Chunks", *(["Name"] if is_named else [])]
    return table_lines(columns, rows, width)


def summary_lines(
    result: BackfillResult, jobs: Sequence[Job], sink: Sink, requests: int, seconds: float
) -> Iterator[str]:
    """Describe the result."""
    totals = result.totals
    yield f"{_headline(result, sink)}: {sink.name}"
    for error in result.errors:
        yield f"  not done    {error}"
    earlier = f" ({counted(result.already, 'chunk')} from an earlier run)" if result.already else ""
    stored = "verified" if sink.is_verified else "written"
    least = "at least " if result.unread else ""
    left = f", {least}{result.days_left:,} left" if result.days_left else ""
    yield f"  days        {result.days_done:,} {stored}{left}"
    yield f"  intervals   {totals.intervals:,}{earlier}"
    yield f"  energy      {energy(totals)}"
    if totals.cost:
        yield f"  cost        ${totals.cost:,.2f}"
    verb = "sent" if sink.resumes else "written"
    yield f"  samples     {totals.samples:,} {verb}"
    if result.unconfirmed:
        sent = sum(result.unconfirmed.values(), Totals())
        things = f"{counted(sent.intervals, 'interval')} in {counted(sent.samples, 'sample')}"
        yield f"  also        {things} {verb}, on days that are not done"
    if totals.corrected:
        yield f"  corrected   {counted(totals.corrected, 'interval')} with a different stored value"
    if totals.gone:
        yield f"  gone        {counted(totals.gone, 'stored sample')} no longer at the portal; nothing was deleted"
    for job in jobs:
        yield from _about(job, result)
    yield f"  requests    {requests} to the portal"
    yield f"  duration    {length(seconds)}"


def _headline(result: BackfillResult, sink: Sink) -> str:
    if not (result.left or result.errors or result.is_stopped):
        if not result.totals.intervals:
            return "The portal has no usable intervals for these days"
        if sink.is_verified:
            return "Done: stored and verified"
        return "Done: written, not verified" if sink.resumes else "Written"
    if sink.resumes:
        least = "at least " if result.unread else ""
        return f"{result.done} of {least}{counted(result.done + result.left, 'chunk')} done"
    is_partial = result.is_finished or (sink.streams and result.totals.samples)
    return f"{'Only part of the data' if is_partial else 'Nothing'} was written"


def _about(job: Job, result: BackfillResult) -> Iterator[str]:
    zone = job.wall.zone
    connected = result.connected.get(job.key)
    first = result.first(job.key)
    if connected is not None:
        yield f"  connected   location {job.key.location}: on {local_date(connected, zone)}; it has no older data"
    elif first is not None and job.wall.day(first).start > job.start and not result.left:
        yield f"  begins      location {job.key.location}: the portal's intervals start on {local_date(first, zone)}"
    elif first is None and not result.left:
        yield f"  nothing     location {job.key.location}: no usable intervals, at most daily or monthly totals"
    unread = result.unread.get(job.key)
    if unread is not None:
        what = "nothing is" if unread == job.end else f"days before {local_date(unread, zone)} are not"
        yield f"  older       location {job.key.location}: {what} read yet"
    incomplete = result.incomplete_days(job.key, job.wall)
    if incomplete:
        yield f"  incomplete  location {job.key.location}: {counted(incomplete, 'day')} with gaps at the portal"


def _utc(instant: int) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d %H:%M}"
