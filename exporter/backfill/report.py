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
    """Describe what will be fetched and where it is written."""
    yield f"Writing to {sink.name}:"
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
        chunks = counted(sum(len(job.chunks()) for job in jobs), "chunk")
        yield f"Resuming: {len(done)} of {chunks} already done (use --restart to start over)."


def summary_lines(
    result: BackfillResult, jobs: Sequence[Job], sink: Sink, requests: int, seconds: float
) -> Iterator[str]:
    """Describe the result."""
    totals = result.totals
    yield f"{_headline(result, sink)}: {sink.name}"
    for error in result.errors:
        yield f"  not done    {error}"
    earlier = f" ({counted(result.already, 'chunk')} from an earlier run)" if result.already else ""
    yield f"  intervals   {totals.intervals:,}{earlier}"
    yield f"  energy      {energy(totals)}"
    if totals.cost:
        yield f"  cost        ${totals.cost:,.2f}"
    yield f"  samples     {totals.samples:,} sent"
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
        return f"{result.done} of {counted(result.done + result.left, 'chunk')} done"
    is_partial = result.is_finished or (sink.streams and result.totals.samples)
    return f"{'Only part of it' if is_partial else 'Nothing'} was written"


def _about(job: Job, result: BackfillResult) -> Iterator[str]:
    zone = job.wall.zone
    connected = result.connected.get(job.key)
    first = result.first(job.key)
    if connected is not None:
        yield f"  connected   location {job.key.location}: on {local_date(connected, zone)}; there is nothing older"
    elif first is not None and job.wall.day(first).start > job.start and not result.left:
        yield f"  begins      location {job.key.location}: the portal's intervals start on {local_date(first, zone)}"
    elif first is None and not result.left:
        yield f"  nothing     location {job.key.location}: no usable intervals, at most daily or monthly totals"
    incomplete = result.incomplete_days(job.key, job.wall)
    if incomplete:
        yield f"  incomplete  location {job.key.location}: {counted(incomplete, 'day')} with gaps at the portal"


def _utc(instant: int) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d %H:%M}"
