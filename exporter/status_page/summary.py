"""How logins and locations do, in plain words: what the status page says before it shows a figure.

What is wrong is said once, with the places that it concerns, and nothing is called well that is not known to be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from ..formatting import counted, lasting, local, local_date
from ..intervals.model import LocationKey, Meter, Snapshot
from ..refresh.status import FailureKind, LocationStatus, LoginStatus, location_statuses
from .cache import MeterCache
from .condition import UTC, Condition, Severity, listed, title_of, zone_of
from .figures import Figures, Freshness, figures_of, freshness


@dataclass(frozen=True, slots=True)
class Problem:
    """What kept locations from being refreshed, and which; none where it kept all of them."""

    condition: Condition
    locations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoginView:
    """A login. Times in seconds UTC, 0 where there was none."""

    name: str
    condition: Condition
    problems: tuple[Problem, ...]
    last_refresh: float
    last_success: float
    next_refresh: float
    zone: ZoneInfo


def login_view(name: str, status: LoginStatus, snapshot: Snapshot) -> LoginView:
    """What there is to tell of a login."""
    problems = tuple(_problems(status, snapshot))
    places = (snapshot.locations.get(key) for key in status.locations)
    zone = next((zone_of(place) for place in places if place), UTC)
    return LoginView(
        name,
        _login_condition(status, problems),
        problems,
        status.last_refresh,
        status.last_success,
        status.next_refresh,
        zone,
    )


def _login_condition(status: LoginStatus, problems: Sequence[Problem]) -> Condition:
    if not status.last_refresh:
        return Condition(Severity.WAIT, "First refresh under way")
    if problems:
        worst = max((each.condition for each in problems), key=lambda condition: condition.severity)
        failed = sum(not each.up for each in status.locations.values())
        if 0 < failed < len(status.locations) and not status.zone.is_contradicted:
            return Condition(worst.severity, f"{failed} of {counted(len(status.locations), 'location')} not refreshed")
        return Condition(worst.severity, worst.words)
    return Condition(Severity.GOOD, "Working")


def _problems(status: LoginStatus, snapshot: Snapshot) -> list[Problem]:
    """Each message once, with the locations that it concerns."""
    if not status.last_refresh:
        return []
    return [
        *([_wrong_zone(status.zone.others)] if status.zone.is_contradicted else []),
        *([] if status.up else _failures(status, snapshot)),
    ]


def _wrong_zone(fitting: Sequence[str]) -> Problem:
    cure = f"to {' or '.join(fitting)}, which fits" if fitting else "(smarthub-exporter check tells which fits)"
    detail = (
        "The portal's times contradict the configured timezone: every figure may be off by hours. Correct timezone in"
        f" the configuration {cure}, and restart."
    )
    return Problem(Condition(Severity.BAD, "Time zone does not fit", detail))


def _failures(status: LoginStatus, snapshot: Snapshot) -> list[Problem]:
    """What kept locations from being refreshed: the same failure of several is one problem."""
    concerned: dict[tuple[FailureKind, str, str], list[str]] = {}
    for key, location in status.locations.items():
        if not location.up and (failure := location.failure):
            title = title_of(key, snapshot.locations.get(key))
            concerned.setdefault((failure.kind, failure.what, failure.advice), []).append(title)
    if not concerned:
        concerned = {(failure.kind, failure.what, failure.advice): [] for failure in status.failures}
    everybody = len(concerned) == 1 and all(not each.up for each in status.locations.values())
    return [
        Problem(_failure(kind, what, advice), () if everybody else tuple(titles))
        for (kind, what, advice), titles in concerned.items()
    ]


def _failure(kind: FailureKind, what: str, advice: str) -> Condition:
    text = "; ".join(filter(None, (what, advice)))
    # A host name stays as it is.
    sentence = text if "." in text.partition(" ")[0] else text[:1].upper() + text[1:]
    detail = sentence + ("" if text.endswith(".") else ".")
    match kind:
        case FailureKind.COMPUTING:
            return Condition(Severity.WAIT, "Portal still computing", detail)
        case FailureKind.PAUSED:
            return Condition(Severity.BAD, "Sign-ins paused", detail)
        case _:
            return Condition(Severity.BAD, "Last refresh failed", detail)


_FIRST = "It reaches back 35 days: seconds to minutes, longer where the portal computes. Reload to see more."


@dataclass(frozen=True, slots=True)
class MeterView:
    """A meter of a location; a location of which no meter is known has one view without meter and figures."""

    key: LocationKey
    title: str
    zone: ZoneInfo
    condition: Condition
    refresh: Condition
    meter: Meter | None = None
    figures: Figures | None = None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What is to be said of its data and of its refresh: nothing is up to date that could not be refreshed."""
        if self.refresh.severity is Severity.GOOD:
            return (self.condition,)
        return (self.refresh,) if self.condition.severity is Severity.GOOD else (self.condition, self.refresh)


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that the page tells, as of `now`."""

    now: float
    condition: Condition
    more: tuple[str, ...]
    logins: tuple[LoginView, ...]
    meters: tuple[MeterView, ...]


def summarize(
    snapshot: Snapshot,
    statuses: Mapping[str, LoginStatus],
    now: float,
    *,
    is_alive: bool = True,
    backfill_needed: Mapping[LocationKey, int] | None = None,
    kept: MeterCache[Figures] | None = None,
) -> Summary:
    """What there is to tell now. backfill_needed: from which local day on only a backfill brings what has changed."""
    logins = tuple(login_view(name, status, snapshot) for name, status in statuses.items())
    meters = tuple(_meters(snapshot, statuses, now, kept or MeterCache()))
    verdicts = _verdicts(logins, meters, now, is_alive=is_alive)
    more = [*(each.words for each in verdicts[1:]), *_changed(snapshot, backfill_needed or {})]
    return Summary(now, verdicts[0], tuple(more), logins, meters)


# -- locations and meters


def _meters(
    snapshot: Snapshot, statuses: Mapping[str, LoginStatus], now: float, kept: MeterCache[Figures]
) -> list[MeterView]:
    known = location_statuses(statuses.values())
    waiting = {key for status in statuses.values() if not status.last_refresh for key in status.locations}
    views: list[MeterView] = []
    for key in sorted({*snapshot.locations, *known}):
        location = snapshot.locations.get(key)
        zone, title = zone_of(location), title_of(key, location)
        refresh = _refresh_condition(known.get(key), is_waiting=key in waiting)
        today = local(now, zone).date()
        meters = location.meters if location else ()
        for meter in meters:
            figures = kept.get((key, meter.info.number), meter, (today, zone), partial(figures_of, meter, zone, today))
            own = title if len(meters) == 1 else f"{title}, meter {meter.info.number}"
            views.append(MeterView(key, own, zone, _data_condition(figures, now, refresh), refresh, meter, figures))
        if not meters:
            views.append(MeterView(key, title, zone, _no_data(refresh), refresh))
    return views


def _refresh_condition(outcome: LocationStatus | None, *, is_waiting: bool) -> Condition:
    if outcome is None:
        return Condition(Severity.WAIT, "Not read", "No login reads this location; these are the last known figures.")
    if outcome.up:
        return Condition(Severity.GOOD, "Refreshed")
    if is_waiting:
        return Condition(Severity.WAIT, "Not refreshed yet", "Kept from before the exporter started.")
    is_computing = outcome.failure is not None and outcome.failure.kind is FailureKind.COMPUTING
    severity = Severity.WAIT if is_computing else Severity.BAD
    return Condition(
        severity, "Not refreshed", "What is shown is what was known before; the reason stands at the login."
    )


def _data_condition(figures: Figures, now: float, refresh: Condition) -> Condition:
    if figures.newest is None:
        return _no_data(refresh)
    age = lasting(now - figures.newest.end)
    usual = figures.usual
    match freshness(figures, now):
        case Freshness.STALE:
            return Condition(Severity.BAD, "Stale", f"Nothing newer for {age}.")
        case Freshness.LATE if usual is not None:
            return Condition(
                Severity.WAIT, "Late", f"Usually the data are here after {lasting(max(usual, 900))} or sooner."
            )
        case Freshness.LATE:
            return Condition(Severity.WAIT, "Late", "More than two days behind.")
        case _:
            return Condition(Severity.GOOD, "Up to date")


def _no_data(refresh: Condition) -> Condition:
    if refresh.severity is not Severity.GOOD:
        return Condition(Severity.WAIT, "No data", "Nothing is known of it yet.")
    return Condition(
        Severity.WAIT,
        "No data",
        "The portal answered, and has neither intervals nor days of it: some meters are read by the month only.",
    )


# -- all of it


def _verdicts(
    logins: Sequence[LoginView], meters: Sequence[MeterView], now: float, *, is_alive: bool
) -> list[Condition]:
    """Everything that is to be said at the top, the worst first; one good word where there is nothing wrong."""
    found: list[Condition] = []
    if not is_alive:
        found.append(
            Condition(
                Severity.BAD,
                "Refreshing has stopped",
                "A refresh thread has ended: restart the exporter; its log tells why.",
            )
        )
    found += _login_verdicts(logins)
    stale = [view for view in meters if view.condition.words == "Stale"]
    if stale:
        ages = [now - view.figures.newest.end for view in stale if view.figures and view.figures.newest]
        age = f"{'up to ' if len(stale) > 1 else ''}{lasting(max(ages))}"
        found.append(Condition(Severity.BAD, f"Data are stale: {_named(stale)}", f"Nothing newer for {age}."))
    late = [view for view in meters if view.condition.words == "Late"]
    if late:
        found.append(Condition(Severity.WAIT, f"Data are late: {_named(late)}"))
    if found:
        return sorted(found, key=lambda condition: -condition.severity)
    if not any(view.figures and view.figures.newest for view in meters):
        return [
            Condition(Severity.WAIT, "No data", "The refresh worked, and the portal gave no intervals and no days.")
        ]
    return [Condition(Severity.GOOD, "All is well")]


def _login_verdicts(logins: Sequence[LoginView]) -> list[Condition]:
    found: list[Condition] = []
    waiting = [login for login in logins if not login.last_refresh]
    if waiting:
        found.append(Condition(Severity.WAIT, "The first refresh is under way", _FIRST))
    for login in logins:
        if login.last_refresh and login.condition.severity is not Severity.GOOD:
            who = f"{login.name}: " if len(logins) > 1 else ""
            found.append(Condition(login.condition.severity, f"{who}{login.condition.words}"))
    return found


def _changed(snapshot: Snapshot, backfill_needed: Mapping[LocationKey, int]) -> list[str]:
    """What the window of /metrics no longer carries. Nothing is wrong with it, and somebody has to bring it."""
    if not backfill_needed:
        return []
    days = {key: local_date(day, zone_of(snapshot.locations.get(key))) for key, day in backfill_needed.items()}
    places = listed(sorted(title_of(key, snapshot.locations.get(key)) for key in days))
    command = f"smarthub-exporter backfill --start {min(days.values())}"
    return [f"Older data have changed at {places}: {command} brings them to the database."]


def _named(views: Sequence[MeterView]) -> str:
    return listed(list(dict.fromkeys(view.title for view in views)))
