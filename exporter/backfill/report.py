"""The plan before a backfill and the summary after it, line by line."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ..formatting import counted, length, local_date
from ..sinks.base import Sink
from .journal import CompletedChunk
from .plan import Job
from .progress import energy
from .result import BackfillResult


def plan_lines(jobs: Sequence[Job], sink: Sink, notes: Sequence[str], done: Sequence[CompletedChunk]) -> Iterator[str]:
    """What will be fetched, in local days and in UTC, and where it goes."""
    yield f"Into {sink.name}:"
    for job in jobs:
        name = f' "{job.name}"' if job.name else ""
        yield (
            f"  {job.key.portal}, account {job.key.account}, location {job.key.location}{name}:"
            f" {job.date_range(job.start, job.end)}, {counted(job.days, 'day')} in {job.wall.zone}"
            f" ({_utc(job.start)} to {_utc(job.end)} UTC),"
            f" {counted(len(job.chunks()), 'chunk')}"
        )
    for note in notes:
        yield f"  Note: {note}"
    if done:
        which = "which is" if len(done) == 1 else "which are"
        yield f"An earlier run did {counted(len(done), 'chunk')} of it, {which} not done again (but with --restart)."


def summary_lines(
    result: BackfillResult, jobs: Sequence[Job], sink: Sink, requests: int, seconds: float
) -> Iterator[str]:
    """What came of it."""
    totals = result.totals
    yield f"{_headline(result, sink)}: {sink.name}"
    for error in result.errors:
        yield f"  not done    {error}"
    earlier = f" ({counted(result.already, 'chunk')} of it by an earlier run)" if result.already else ""
    yield f"  intervals   {totals.intervals:,}{earlier}"
    yield f"  energy      {energy(totals)}"
    if totals.cost:
        yield f"  cost        ${totals.cost:,.2f}"
    yield f"  samples     {totals.samples:,} sent"
    if totals.corrected:
        yield f"  corrected   {counted(totals.corrected, 'interval')} of which another value was stored"
    if totals.gone:
        yield f"  gone        {counted(totals.gone, 'stored sample')} that the portal no longer has; nothing is deleted"
    for job in jobs:
        yield from _about(job, result)
    yield f"  requests    {requests} to the portal"
    yield f"  duration    {length(seconds)}"


def _headline(result: BackfillResult, sink: Sink) -> str:
    total = result.done + result.left
    is_whole = not (result.left or result.errors or result.is_stopped)
    if is_whole and not result.totals.intervals:
        return "The portal has no intervals in these days"
    if is_whole and sink.is_verified:
        return "All is stored and was read back"
    if is_whole:
        return f"All is written{', not verified' if sink.resumes else ''}"
    if sink.streams and result.totals.samples:
        return "Only a part is written"
    if not sink.resumes and not result.is_finished:
        return "Nothing is written"
    return f"{result.done} of {counted(total, 'chunk')} {'is' if 1 in (result.done, total) else 'are'} done"


def _about(job: Job, result: BackfillResult) -> Iterator[str]:
    zone = job.wall.zone
    connected = result.connected.get(job.key)
    first = result.first(job.key)
    if connected is not None:
        yield f"  location {job.key.location} was connected on {local_date(connected, zone)}: nothing is older"
    elif first is not None and job.wall.day(first).start > job.start and not result.left:
        yield f"  begins      location {job.key.location}: the portal's intervals begin on {local_date(first, zone)}"
    elif first is None and not result.left:
        yield f"  nothing     location {job.key.location}: no intervals in these days, at most daily or monthly figures"
    incomplete = result.incomplete_days(job.key, job.wall)
    if incomplete:
        are = "is" if incomplete == 1 else "are"
        yield f"  holes       location {job.key.location}: {counted(incomplete, 'day')} {are} not whole at the portal"


def _utc(instant: int) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d %H:%M}"
