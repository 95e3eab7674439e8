"""The conditions of logins and locations, which the page shows above all figures.

Each problem is reported once, with the locations that it affects. Nothing counts as working unless that is known.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

from ..formatting import ago, counted, lasting, local, local_date
from ..intervals.model import Location, LocationKey, Meter, Snapshot
from ..intervals.submeters import submeters_of
from ..refresh.status import Failure, FailureKind, LocationStatus, LoginStatus, location_statuses, withheld_locations
from .condition import Condition, Severity, bad, good, listed, title_of, wait, zone_named, zone_of
from .figures import DayFigures, Figures, Freshness, figures_of, freshness, sum_of_days

_FAILURES = {
    FailureKind.FAILED: wait("Last refresh failed"),
    FailureKind.COMPUTING: wait("Portal still computing"),
    FailureKind.ACTION_NEEDED: bad("Action needed"),
    FailureKind.PAUSED: bad("Sign-ins paused"),
}


@dataclass(frozen=True, slots=True)
class LoginView:
    """A login with its condition and its problems. Its times are shown in `zone`.

    has_saved_data: whether data of its locations is known, from before the start if no refresh has succeeded since.
    """

    name: str
    status: LoginStatus
    zone: ZoneInfo
    condition: Condition
    problems: tuple[Condition, ...]
    has_saved_data: bool = False

    def last_success(self, now: float) -> str:
        """Return when a refresh last succeeded, in words."""
        if self.status.last_success:
            return ago(now - self.status.last_success)
        return "before the exporter started" if self.has_saved_data else "never"

    def next_try(self, now: float) -> str:
        """Return when the next refresh comes, in words."""
        wait_for = self.status.next_refresh - now
        return f"in {lasting(wait_for)}" if wait_for > 0 else "refreshing now"


@dataclass(frozen=True, slots=True)
class MeterView:
    """A meter of a location.

    `condition` is about its data. `submeter_of` is the meter that contains it, or empty.
    """

    key: LocationKey
    title: str
    zone: ZoneInfo
    meter: Meter
    figures: Figures
    freshness: Freshness
    condition: Condition
    submeter_of: str = ""


@dataclass(frozen=True, slots=True)
class LocationView:
    """A location with its meters, and the days of those that are part of no other meter.

    `conditions` are about its data and its last refresh: the problems, worst first, or a single good one.
    """

    key: LocationKey
    title: str
    zone: ZoneInfo
    today: date
    meters: tuple[MeterView, ...]
    days: tuple[DayFigures, ...]
    conditions: tuple[Condition, ...]

    @property
    def counted_meters(self) -> list[MeterView]:
        """The meters that are part of no other one."""
        return [view for view in self.meters if not view.submeter_of]

    @property
    def newest(self) -> MeterView | None:
        """The meter with the newest data; None without data."""
        with_data = [view for view in self.counted_meters if view.figures.newest]
        return max(with_data, key=lambda view: view.figures.newest.end if view.figures.newest else 0, default=None)


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that the page shows, as of `now`.

    `condition` is the worst of all, `more` are the others and what else needs to be known.
    """

    now: float
    condition: Condition
    more: Sequence[Condition]
    logins: Sequence[LoginView]
    locations: Sequence[LocationView]

    @property
    def is_first_refresh(self) -> bool:
        """Whether a login has not finished its first refresh."""
        return any(not login.status.last_refresh for login in self.logins)


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
    logins = [_login(name, status, snapshot, now) for name, status in statuses.items()]
    locations = list(_locations(snapshot, statuses, now))
    meters = [view for location in locations for view in location.meters]
    verdicts = [*_verdicts(logins, meters, now, is_alive=is_alive), *_state(state_problem)]
    verdicts.sort(key=lambda each: each.severity, reverse=True)
    if not verdicts and all(view.freshness is Freshness.NONE for view in meters):
        verdicts = [
            wait("No usable data", "The refresh worked. If the portal sent data, the log shows why it is not used.")
        ]
    worst, *rest = verdicts or [good("Everything is working")]
    return Summary(now, worst, [*rest, *_changed(snapshot, backfill_needed)], logins, locations)


# -- logins


def _login(name: str, status: LoginStatus, snapshot: Snapshot, now: float) -> LoginView:
    known = [snapshot.locations[key] for key in status.locations if key in snapshot.locations]
    problems = tuple(_problems(status, snapshot, now))
    worst = max(problems, key=lambda problem: problem.severity, default=good("Working"))
    count = len(status.locations)
    failed = sum(not each.up for each in status.locations.values())
    only_some = 0 < failed < count and not status.zone.is_contradicted
    words = f"{failed} of {counted(count, 'location')} not refreshed" if problems and only_some else worst.words
    condition = Condition(worst.severity, words) if status.last_refresh else wait("First refresh is running")
    has_saved_data = any(location.meters for location in known)
    zone = zone_of(known[0]) if known else zone_named(status.zone.zone)
    return LoginView(name, status, zone, condition, problems, has_saved_data)


def _problems(status: LoginStatus, snapshot: Snapshot, now: float) -> Iterator[Condition]:
    """Yield the problems of a login.

    The same failure of several locations is one problem.
    """
    if status.zone.is_contradicted:
        yield bad(
            "Wrong time zone",
            f"No data of this login is on /metrics because {status.zone.message}. After the fix, restart the exporter."
            " Until then, the figures below may be off by hours.",
        )
    concerned: dict[Failure, list[str]] = {_alike(failure): [] for failure in status.failures}
    for key, location in status.locations.items():
        if location.failure:
            title = title_of(key, snapshot.locations.get(key))
            concerned.setdefault(_alike(location.failure), []).append(title)
    are_all_down = len(concerned) == 1 and not any(each.up for each in status.locations.values())
    for failure, titles in concerned.items():
        places = "" if are_all_down or not titles else f" This affects {listed(titles)}."
        said = "; ".join(filter(None, (failure.what, failure.advice)))
        is_host = "." in said.partition(" ")[0]
        sentence = (said[:1] if is_host else said[:1].upper()) + said[1:].removesuffix(".") + "."
        yield replace(_condition_of(failure, status, now), detail=sentence + places)


def _condition_of(failure: Failure, status: LoginStatus, now: float) -> Condition:
    """Return how serious a failure is: one that may be temporary is serious only after hours."""
    if failure.kind is FailureKind.FAILED and status.is_failing_long(now):
        return bad(f"Refreshes have failed for {lasting(now - status.failing_since)}")
    return _FAILURES[failure.kind]


def _alike(failure: Failure) -> Failure:
    return replace(failure, about="")


# -- locations and meters


def _locations(snapshot: Snapshot, statuses: Mapping[str, LoginStatus], now: float) -> Iterator[LocationView]:
    known = location_statuses(statuses.values())
    withheld = withheld_locations(statuses.values())
    severities = _severities(statuses.values(), now)
    for key in sorted({*snapshot.locations, *known}):
        location = snapshot.locations.get(key)
        refresh = _refresh_condition(known.get(key), severities.get(key, Severity.GOOD))
        if key in withheld:
            refresh = bad("Wrong time zone", "Not on /metrics; see above for the reason.")
        meters = tuple(_meters(location, now, refresh)) if location else ()
        of_data = [view.condition for view in meters] or [_data_condition(Freshness.NONE, Figures(), now, refresh)]
        # Data that could not be refreshed is not shown as on schedule.
        wrong = {each for each in (*of_data, refresh) if each.severity is not Severity.GOOD}
        yield LocationView(
            key,
            title_of(key, location),
            zone := zone_of(location),
            local(now, zone).date(),
            meters,
            sum_of_days([view.figures.days for view in meters if not view.submeter_of]),
            tuple(sorted(wrong, key=lambda each: (-each.severity, each.words, each.detail))) or (of_data[0],),
        )


def _severities(statuses: Iterable[LoginStatus], now: float) -> dict[LocationKey, Severity]:
    """Return how serious the failures of locations are."""
    return {
        key: _condition_of(each.failure, status, now).severity
        for status in statuses
        for key, each in status.locations.items()
        if each.failure
    }


def _meters(location: Location, now: float, refresh: Condition) -> Iterator[MeterView]:
    zone, title = zone_of(location), title_of(location.key, location)
    submeters = submeters_of(location.meters)
    for meter in location.meters:
        own = f"{title}, meter {meter.info.number}" if len(location.meters) > 1 else title
        figures = figures_of(meter, zone)
        fresh = freshness(figures, now)
        condition = _data_condition(fresh, figures, now, refresh)
        parent = submeters.get(meter.info.number, "")
        yield MeterView(location.key, own, zone, meter, figures, fresh, condition, parent)


def _refresh_condition(status: LocationStatus | None, failure: Severity) -> Condition:
    if status is None:
        return wait("Not read", "No login reads this location; these are the last known figures.")
    if status.up:
        return good("Refreshed")
    if status.failure is None:
        return wait("Not refreshed yet", "Loaded from saved state.")
    return Condition(failure, "Not refreshed", "Showing the last known data; see above for the reason.")


def _data_condition(fresh: Freshness, figures: Figures, now: float, refresh: Condition) -> Condition:
    if fresh is Freshness.NONE:
        return wait(
            "No data",
            "The portal answered, but without intervals or days: some meters are read only once a month."
            if refresh.severity is Severity.GOOD
            else "There is no data yet.",
        )
    if fresh is Freshness.STALE:
        return bad("Stale", f"No new data for {lasting(figures.age(now))}.")
    if fresh is Freshness.LATE:
        late = "More than two days behind."
        if figures.usual is not None:
            late = f"Data usually arrives within {lasting(max(figures.usual, 900))}."
        return wait("Late", late)
    return good("On schedule")


# -- the whole page


def _verdicts(
    logins: Sequence[LoginView], meters: Sequence[MeterView], now: float, *, is_alive: bool
) -> Iterator[Condition]:
    """Return all problems and running refreshes for the top of the page."""
    if not is_alive:
        yield bad(
            "Refreshing has stopped", "A refresh thread has ended. Restart the exporter; its log shows the reason."
        )
    if any(not login.status.last_refresh for login in logins):
        yield wait(
            "The first refresh is running",
            "It reads 35 days, which takes seconds to minutes, and longer if the portal has to compute them.",
        )
    for login in logins:
        if login.problems:
            who = f"{login.name}: " if len(logins) > 1 else ""
            reasons = " ".join([*(problem.detail for problem in login.problems), *_outlook(login, now)])
            yield Condition(login.condition.severity, f"{who}{login.condition.words}", reasons)
    if stale := [view for view in meters if view.freshness is Freshness.STALE]:
        age = lasting(max(view.figures.age(now) for view in stale))
        yield bad(f"Data is stale: {_named(stale)}", f"No new data for {'up to ' if len(stale) > 1 else ''}{age}.")
    if late := [view for view in meters if view.freshness is Freshness.LATE]:
        yield wait(f"Data is late: {_named(late)}")


def _outlook(login: LoginView, now: float) -> Iterator[str]:
    """Yield when a failing login last succeeded, and when it is tried again."""
    if not login.status.failures:
        return
    yield f"Last success: {login.last_success(now)}."
    # A refresh while sign-ins are paused signs in as late as the reason says.
    if all(failure.kind is not FailureKind.PAUSED for failure in login.status.failures):
        yield f"Next attempt: {login.next_try(now)}."


def _state(problem: str) -> Iterator[Condition]:
    if problem:
        yield bad(
            "The state is not saved",
            f"Its file cannot be written ({problem}), so a restart would lose the latest changes. Check that its"
            " directory is writable and the disk has space; the exporter keeps trying.",
        )


def _changed(snapshot: Snapshot, backfill_needed: Mapping[LocationKey, int]) -> Iterator[Condition]:
    """Yield changes that /metrics no longer carries.

    They are not a problem, but need a backfill.
    """
    if backfill_needed:
        known = snapshot.locations
        titles = listed(sorted(title_of(key, known.get(key)) for key in backfill_needed))
        start = min(local_date(day, zone_of(known.get(key))) for key, day in backfill_needed.items())
        command = f"smarthub-exporter backfill --start {start}"
        yield good(f"Older data has changed: {titles}", f"To update the database, run: {command}")


def _named(views: Sequence[MeterView]) -> str:
    return listed(list(dict.fromkeys(view.title for view in views)))
