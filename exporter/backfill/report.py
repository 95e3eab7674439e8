"""The plan before a backfill and the summary after it, line by line."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rich.filesize import decimal
from rich.text import Text

from ..formatting import counted, length, local_date
from ..sinks.base import Sink
from ..terminal import table_lines
from .journal import CompletedChunk, Totals
from .plan import Job, days_in
from .progress import energy
from .result import BackfillResult


def plan(
    jobs: Sequence[Job], sink: Sink, notes: Sequence[str], done: Sequence[CompletedChunk], width: int
) -> Iterator[str | Text]:
    """Describe what will be fetched and where it is written: lines, with a table per portal and zone.

    width: that of the tables, in columns.
    """
    yield f"Writing to {sink.title}"
    groups: dict[tuple[str, str], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.key.portal, str(job.wall.zone)].append(job)
    for (portal, zone), group in groups.items():
        yield ""
        yield f"  {portal}, local days in {zone}"
        yield from _plan_table(group, width)
    yield ""
    if jobs[0].from_first:
        yield "  As far back as the portal has intervals: 30 days per request, newest first."
    for note in notes:
        yield f"  Note: {note}"
    if done:
        days = days_in(jobs, done)
        share = "" if jobs[0].from_first else f" of {sum(job.days for job in jobs):,}"
        yield f"Resuming: {days:,}{share} days already stored (use --restart to start over)."
        if any(_is_newest_missing(job, done) for job in jobs):
            yield "The newest days are fetched again: the portal may still add to them."


def _is_newest_missing(job: Job, done: Sequence[CompletedChunk]) -> bool:
    """Check for a location that was begun, newest days first, but whose newest days do not count as done."""
    begun = {(each.start, each.end) for each in done if each.key == job.key}
    return bool(begun) and job.chunks()[-1] not in begun


def _plan_table(jobs: Sequence[Job], width: int) -> Iterator[Text]:
    is_named = any(job.name for job in jobs)
    rows = []
    for job in jobs:
        first, last = job.wall.date_text(job.start), job.wall.date_text(job.end - 1)
        days = ("first", last) if job.from_first else (first, last, f"{job.days:,}")
        name = (job.name or "",) if is_named else ()
        rows.append(("", job.key.location, job.key.account, *days, *name))
    count = [] if jobs[0].from_first else ["Days"]
    columns = ["", "Location", "Account", "First day", "Last day", *count, *(["Name"] if is_named else [])]
    return table_lines(columns, rows, width)


def summary_lines(
    result: BackfillResult, jobs: Sequence[Job], sink: Sink, requests: int, seconds: float
) -> Iterator[str]:
    """Describe the result."""
    totals = result.totals
    yield _headline(result, sink)
    for error in result.errors:
        yield f"  not done    {error}"
    yield f"  days        {_days(result, sink)}{f', {len(jobs)} locations together' if len(jobs) > 1 else ''}"
    yield f"  intervals   {totals.intervals:,}"
    yield f"  energy      {energy(totals)}"
    if totals.cost:
        yield f"  cost        ${totals.cost:,.2f}"
    verb = "sent" if sink.resumes else "written"
    yield f"  samples     {totals.samples:,} {verb}{' and verified' if sink.is_verified else ''}"
    if result.unconfirmed:
        sent = sum(result.unconfirmed.values(), Totals())
        things = f"{counted(sent.intervals, 'interval')} in {counted(sent.samples, 'sample')}"
        yield f"  also        {things} {verb} for days that are left"
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
            return f"The portal has no usable intervals for these days: {sink.title}"
        if sink.is_verified:
            return f"Done: stored and verified in {sink.title}"
        if sink.resumes:
            return f"Done: written to {sink.title}, not verified"
        return f"Wrote to {sink.title}" if sink.size is None else f"Wrote {sink.title} ({decimal(sink.size)})"
    if sink.resumes:
        return f"{'Interrupted' if result.is_stopped else 'Not finished'}: {_share(result, sink)}"
    is_partial = result.is_finished or sink.has_streamed
    return f"{'Only part of the data' if is_partial else 'Nothing'} was written to {sink.title}"


def _share(result: BackfillResult, sink: Sink) -> str:
    stored = "stored and verified" if sink.is_verified else "written"
    if result.has_unknown_days:
        return f"{counted(result.days_done, 'day')} {stored}; how many are left is not known"
    if not result.days_left:
        return f"{counted(result.days_done, 'day')} {stored}"
    about = "about " if result.unread else ""
    return f"{result.days_done:,} of {about}{counted(result.days_done + result.days_left, 'day')} {stored}"


def _days(result: BackfillResult, sink: Sink) -> str:
    parts = [f"{result.days_done:,} {'verified' if sink.is_verified else 'written'}"]
    if result.days_already:
        parts.append(f"{result.days_already:,} by an earlier run")
    if result.days_left:
        size = "at least " if result.has_unknown_days else "about " if result.unread else ""
        parts.append(f"{size}{result.days_left:,} left")
    return ", ".join(parts)


def _about(job: Job, result: BackfillResult) -> Iterator[str]:
    zone = job.wall.zone
    connected = result.connected.get(job.key)
    first = result.first(job.key)
    unread = result.unread.get(job.key)
    if unread is not None:
        if connected is not None:
            what = f"{job.date_range(connected, unread)} are not"
        else:
            what = "nothing is" if unread == job.end else f"days before {local_date(unread, zone)} are not"
        yield f"  older       location {job.key.location}: {what} read yet"
    elif connected is not None:
        yield f"  connected   location {job.key.location}: on {local_date(connected, zone)}; it has no older data"
    elif first is not None and job.wall.day(first).start > job.start and not result.left:
        yield f"  begins      location {job.key.location}: the portal's intervals start on {local_date(first, zone)}"
    elif first is None and not result.left:
        yield f"  nothing     location {job.key.location}: no usable intervals, at most daily or monthly totals"
    incomplete = result.incomplete_days(job.key, job.wall)
    if incomplete:
        yield f"  incomplete  location {job.key.location}: {counted(incomplete, 'day')} with gaps at the portal"
