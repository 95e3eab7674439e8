"""The plan before a backfill and the summary after it, line by line."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ..formatting import length, local_date
from ..sinks.base import Sink
from .journal import Done
from .outcome import Outcome
from .plan import Job

_MOST_DAYS = 6  # that are not whole and named one by one


def plan_lines(jobs: Sequence[Job], sink: Sink, notes: Sequence[str], done: Sequence[Done]) -> Iterator[str]:
    """What will be fetched, in local days and in UTC, and where it goes."""
    yield f"Into {sink.name}:"
    for job in jobs:
        zone = job.wall.zone
        name = f' "{job.name}"' if job.name else ""
        days = f"{local_date(job.start, zone)} to {local_date(job.end - 1, zone)}"
        yield (
            f"  {job.key.portal}, account {job.key.account}, location {job.key.location}{name}:"
            f" {days}, {_count(job.days, 'day')} in {zone} ({_utc(job.start)} to {_utc(job.end)} UTC),"
            f" {_count(len(job.chunks()), 'chunk')}"
        )
    for note in notes:
        yield f"  Note: {note}"
    if done:
        which = "which is" if len(done) == 1 else "which are"
        yield f"An earlier run did {_count(len(done), 'chunk')} of it, {which} not done again (but with --restart)."


def summary_lines(outcome: Outcome, jobs: Sequence[Job], sink: Sink, requests: int, seconds: float) -> Iterator[str]:
    """What came of it."""
    figures = outcome.figures
    yield f"{_headline(outcome, sink)}: {sink.name}"
    for error in outcome.errors:
        yield f"  not done    {error}"
    earlier = f" ({_count(outcome.already, 'chunk')} of it by an earlier run)" if outcome.already else ""
    yield f"  intervals   {figures.intervals:,}{earlier}"
    sent = f", {figures.export:,.2f} kWh sent" if figures.export else ""
    yield f"  energy      {figures.usage:,.2f} kWh drawn{sent}"
    if figures.cost:
        yield f"  cost        ${figures.cost:,.2f}"
    yield f"  samples     {figures.samples:,} sent"
    if figures.corrected:
        yield f"  corrected   {_count(figures.corrected, 'interval')} of which another value was stored"
    if figures.gone:
        yield f"  gone        {_count(figures.gone, 'stored sample')} that the portal no longer has; nothing is deleted"
    for job in jobs:
        yield from _about(job, outcome)
    yield f"  requests    {requests} to the portal"
    yield f"  duration    {length(seconds)}"


def _headline(outcome: Outcome, sink: Sink) -> str:
    total = outcome.done + outcome.left
    is_whole = not (outcome.left or outcome.errors or outcome.is_stopped)
    if is_whole and not outcome.figures.intervals:
        return "The portal has no intervals in these days"
    if is_whole and sink.is_verified:
        return "All is stored and was read back"
    if is_whole:
        return f"All is written{', not verified' if sink.resumes else ''}"
    if sink.streams and outcome.figures.samples:
        return "Only a part is written"
    if not sink.resumes and not outcome.is_finished:
        return "Nothing is written"
    return f"{outcome.done} of {_count(total, 'chunk')} {'is' if 1 in (outcome.done, total) else 'are'} done"


def _about(job: Job, outcome: Outcome) -> Iterator[str]:
    zone = job.wall.zone
    connected = outcome.connected.get(job.key)
    first = outcome.first(job.key)
    if connected is not None:
        yield f"  location {job.key.location} was connected on {local_date(connected, zone)}: nothing is older"
    elif first is not None and job.wall.day(first).start > job.start and not outcome.left:
        yield f"  begins      location {job.key.location}: the portal's intervals begin on {local_date(first, zone)}"
    elif first is None and not outcome.left:
        yield f"  nothing     location {job.key.location}: no intervals in these days, at most daily or monthly figures"
    holes = outcome.holes(job.key, job.wall)
    if not holes:
        return
    named = ", ".join(f"{local_date(day, zone)} ({missing} of {all_})" for day, missing, all_ in holes[-_MOST_DAYS:])
    earlier = len(holes) - _MOST_DAYS
    more = f" and {earlier} earlier {'one' if earlier == 1 else 'ones'}" if earlier > 0 else ""
    count = "1 day is" if len(holes) == 1 else f"{len(holes)} days are"
    yield f"  holes       location {job.key.location}: {count} not whole at the portal: {named}{more}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _utc(instant: int) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d %H:%M}"
