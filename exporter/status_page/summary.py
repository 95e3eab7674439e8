"""The conditions of logins and locations, which the page shows above all figures.

Each problem is reported once, with the locations that it affects. Nothing is called well unless it is known to be.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from ..formatting import counted, lasting, local, local_date
from ..intervals.model import LocationKey, Meter, Snapshot
from ..intervals.submeters import submeters_of
from ..refresh.status import Failure, FailureKind, LocationStatus, LoginStatus, location_statuses, withheld_locations
from .condition import Condition, Severity, bad, good, listed, title_of, wait, zone_of
from .figures import Figures, Freshness, figures_of, freshness

_FAILURES = {
    FailureKind.FAILED: bad("Last refresh failed"),
    FailureKind.COMPUTING: wait("Portal still computing"),
    FailureKind.PAUSED: bad("Sign-ins paused"),
}


@dataclass(frozen=True, slots=True)
class LoginView:
    """A login with its condition and its problems. Its times are shown in `zone`."""

    name: str
    status: LoginStatus
    zone: ZoneInfo
    condition: Condition
    problems: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class MeterView:
    """A meter of a location.

    A location without known meters has one view without meter and figures.
    `condition` is about its data, `refresh` about its last refresh. `submeter_of` is the meter that
    contains it, or empty.
    """

    key: LocationKey
    title: str
    zone: ZoneInfo
    meter: Meter | None
    figures: Figures
    freshness: Freshness
    condition: Condition
    refresh: Condition
    submeter_of: str = ""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions to show.

        Data that could not be refreshed is not shown as up to date.
        """
        wrong = tuple(each for each in (self.condition, self.refresh) if each.severity is not Severity.GOOD)
        return wrong or (self.condition,)


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that the page shows, as of `now`."""

    now: float
    condition: Condition
    more: Sequence[str]
    logins: Sequence[LoginView]
    meters: Sequence[MeterView]


def summarize(
    snapshot: Snapshot,
    statuses: Mapping[str, LoginStatus],
    now: float,
    *,
    is_alive: bool,
    backfill_needed: Mapping[LocationKey, int],
    state_problem: str = "",
) -> Summary:
    """Summarize the state as of `now`.

    `backfill_needed` is the first changed day outside the window. `state_problem` is why the state cannot be saved.
    """
    logins = [_login(name, status, snapshot) for name, status in statuses.items()]
    meters = list(_meters(snapshot, statuses, now))
    verdicts = [*_verdicts(logins, meters, now, is_alive=is_alive), *_state(state_problem)]
    verdicts.sort(key=lambda each: each.severity, reverse=True)
    if not verdicts and all(view.freshness is Freshness.NONE for view in meters):
        verdicts = [
            wait("No usable data", "The refresh worked. If the portal sent data, the log says why it is left out.")
        ]
    worst, *rest = verdicts or [good("All is well")]
    more = [*(each.words for each in rest), *_changed(snapshot, backfill_needed)]
    return Summary(now, worst, more, logins, meters)


# -- logins


def _login(name: str, status: LoginStatus, snapshot: Snapshot) -> LoginView:
    zone = zone_of(next((snapshot.locations[key] for key in status.locations if key in snapshot.locations), None))
    problems = tuple(_problems(status, snapshot))
    worst = max(problems, key=lambda problem: problem.severity, default=good("Working"))
    count = len(status.locations)
    failed = sum(not each.up for each in status.locations.values())
    only_some = 0 < failed < count and not status.zone.is_contradicted
    words = f"{failed} of {counted(count, 'location')} not refreshed" if problems and only_some else worst.words
    condition = Condition(worst.severity, words) if status.last_refresh else wait("First refresh under way")
    return LoginView(name, status, zone, condition, problems)


def _problems(status: LoginStatus, snapshot: Snapshot) -> Iterator[Condition]:
    """Yield the problems of a login.

    The same failure of several locations is one problem.
    """
    if status.zone.is_contradicted:
        yield bad(
            "Wrong time zone",
            f"No data of this login is on /metrics because {status.zone.message}. Restart the exporter after the fix."
            " The figures below may be off by hours.",
        )
    concerned: dict[Failure, list[str]] = {_alike(failure): [] for failure in status.failures}
    for key, location in status.locations.items():
        if location.failure:
            title = title_of(key, snapshot.locations.get(key))
            concerned.setdefault(_alike(location.failure), []).append(title)
    everybody = len(concerned) == 1 and not any(each.up for each in status.locations.values())
    for failure, titles in concerned.items():
        places = "" if everybody or not titles else f" Concerns {listed(titles)}."
        said = "; ".join(filter(None, (failure.what, failure.advice)))
        is_host = "." in said.partition(" ")[0]
        sentence = (said[:1] if is_host else said[:1].upper()) + said[1:].removesuffix(".") + "."
        yield replace(_FAILURES[failure.kind], detail=sentence + places)


def _alike(failure: Failure) -> Failure:
    return replace(failure, about="")


# -- locations and meters


def _meters(snapshot: Snapshot, statuses: Mapping[str, LoginStatus], now: float) -> Iterator[MeterView]:
    known = location_statuses(statuses.values())
    withheld = withheld_locations(statuses.values())
    for key in sorted({*snapshot.locations, *known}):
        location = snapshot.locations.get(key)
        zone, title = zone_of(location), title_of(key, location)
        refresh = _refresh_condition(known.get(key))
        if key in withheld:
            refresh = bad("Wrong time zone", "Not on /metrics; see the login above for the reason.")
        meters = location.meters if location else ()
        submeters = submeters_of(meters)
        for meter in meters or (None,):
            own = f"{title}, meter {meter.info.number}" if meter and len(meters) > 1 else title
            figures = figures_of(meter, zone, local(now, zone).date()) if meter else Figures()
            fresh = freshness(figures, now)
            condition = _data_condition(fresh, figures, now, refresh)
            parent = submeters.get(meter.info.number, "") if meter else ""
            yield MeterView(key, own, zone, meter, figures, fresh, condition, refresh, parent)


def _refresh_condition(status: LocationStatus | None) -> Condition:
    if status is None:
        return wait("Not read", "No login reads this location; these are the last known figures.")
    if status.up:
        return good("Refreshed")
    if status.failure is None:
        return wait("Not refreshed yet", "Kept from before the exporter started.")
    return Condition(
        _FAILURES[status.failure.kind].severity,
        "Not refreshed",
        "What is shown is what was known before; the reason stands at the login.",
    )


def _data_condition(fresh: Freshness, figures: Figures, now: float, refresh: Condition) -> Condition:
    if fresh is Freshness.NONE:
        return wait(
            "No data",
            "The portal answered, and has neither intervals nor days of it: some meters are read by the month only."
            if refresh.severity is Severity.GOOD
            else "Nothing is known of it yet.",
        )
    if fresh is Freshness.STALE:
        return bad("Stale", f"Nothing newer for {lasting(figures.age(now))}.")
    if fresh is Freshness.LATE:
        late = "More than two days behind."
        if figures.usual is not None:
            late = f"Usually the data are here after {lasting(max(figures.usual, 900))} or sooner."
        return wait("Late", late)
    return good("Up to date")


# -- the whole page


def _verdicts(
    logins: Sequence[LoginView], meters: Sequence[MeterView], now: float, *, is_alive: bool
) -> Iterator[Condition]:
    """Return all problems and running refreshes for the top of the page."""
    if not is_alive:
        yield bad("Refreshing has stopped", "A refresh thread has ended: restart the exporter; its log tells why.")
    if any(not login.status.last_refresh for login in logins):
        yield wait(
            "The first refresh is under way",
            "It reaches back 35 days: seconds to minutes, longer where the portal computes. Reload to see more.",
        )
    for login in logins:
        if login.problems:
            who = f"{login.name}: " if len(logins) > 1 else ""
            yield Condition(login.condition.severity, f"{who}{login.condition.words}")
    if stale := [view for view in meters if view.freshness is Freshness.STALE]:
        age = lasting(max(view.figures.age(now) for view in stale))
        yield bad(f"Data are stale: {_named(stale)}", f"Nothing newer for {'up to ' if len(stale) > 1 else ''}{age}.")
    if late := [view for view in meters if view.freshness is Freshness.LATE]:
        yield wait(f"Data are late: {_named(late)}")


def _state(problem: str) -> Iterator[Condition]:
    if problem:
        yield bad(
            "The state is not saved",
            f"Its file cannot be written ({problem}), so a restart would lose the latest changes. Check that its"
            " directory is writable and the disk has space; the exporter keeps trying.",
        )


def _changed(snapshot: Snapshot, backfill_needed: Mapping[LocationKey, int]) -> Iterator[str]:
    """Yield changes that /metrics no longer carries.

    They are no problem, but need a backfill.
    """
    if backfill_needed:
        known = snapshot.locations
        titles = listed(sorted(title_of(key, known.get(key)) for key in backfill_needed))
        start = min(local_date(day, zone_of(known.get(key))) for key, day in backfill_needed.items())
        command = f"smarthub-exporter backfill --start {start}"
        yield f"Older data have changed at {titles}: {command} brings them to the database."


def _named(views: Sequence[MeterView]) -> str:
    return listed(list(dict.fromkeys(view.title for view in views)))
