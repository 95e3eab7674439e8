"""How a login does: its state in a few words, and what is wrong, each thing once with the places that it concerns."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ..formatting import counted
from ..intervals.model import LocationKey, Snapshot
from ..refresh.status import LoginStatus, Trouble
from .states import UTC, State, Tone, title_of, zone_of

_PLACE = " \N{OBJECT REPLACEMENT CHARACTER}"  # where a message named its location


@dataclass(frozen=True, slots=True)
class Problem:
    """What kept locations from being refreshed, and which; none where it kept all of them."""

    state: State
    locations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoginView:
    """A login. Times in seconds UTC, 0 where there was none."""

    name: str
    state: State
    problems: tuple[Problem, ...]
    last_refresh: float
    last_success: float
    next_refresh: float
    zone: ZoneInfo


def login_view(name: str, status: LoginStatus, snapshot: Snapshot) -> LoginView:
    """What there is to tell of a login."""
    problems = tuple(_problems(name, status, snapshot))
    places = (snapshot.locations.get(key) for key in status.locations)
    zone = next((zone_of(place) for place in places if place), UTC)
    return LoginView(
        name,
        _login_state(status, problems),
        problems,
        status.last_refresh,
        status.last_success,
        status.next_refresh,
        zone,
    )


def _login_state(status: LoginStatus, problems: Sequence[Problem]) -> State:
    if not status.last_refresh:
        return State(Tone.WAIT, "First refresh under way")
    if problems:
        worst = max((each.state for each in problems), key=lambda state: state.tone)
        failed = sum(not each.up for each in status.locations.values())
        if 0 < failed < len(status.locations) and not status.zone_contradicted:
            return State(worst.tone, f"{failed} of {counted(len(status.locations), 'location')} not refreshed")
        return State(worst.tone, worst.words)
    return State(Tone.GOOD, "Working")


def _problems(name: str, status: LoginStatus, snapshot: Snapshot) -> list[Problem]:
    """Each message once, with the locations that it concerns."""
    if not status.last_refresh:
        return []
    return [
        *([_wrong_zone(status.fitting_zones)] if status.zone_contradicted else []),
        *([] if status.up else _failures(name, status, snapshot)),
    ]


def _wrong_zone(fitting: Sequence[str]) -> Problem:
    cure = f"to {' or '.join(fitting)}, which fits" if fitting else "(smarthub-exporter check tells which fits)"
    detail = (
        "The portal's times contradict the configured timezone: every figure may be off by hours. Correct timezone in"
        f" the configuration {cure}, and restart."
    )
    return Problem(State(Tone.BAD, "Time zone does not fit", detail))


def _failures(name: str, status: LoginStatus, snapshot: Snapshot) -> list[Problem]:
    concerned: dict[tuple[Trouble, str], list[str]] = {}
    for key, outcome in status.locations.items():
        if not outcome.up:
            title = title_of(key, snapshot.locations.get(key))
            concerned.setdefault((outcome.trouble, _without_place(outcome.message, key)), []).append(title)
    if not concerned:
        concerned[status.trouble, status.message] = []
    everybody = len(concerned) == 1 and all(not each.up for each in status.locations.values())
    return [
        Problem(_failure(name, trouble, message, len(titles)), () if everybody else tuple(titles))
        for (trouble, message), titles in concerned.items()
    ]


def _without_place(message: str, key: LocationKey) -> str:
    """The message as it is for any location: the same failure of many is one problem."""
    text = message.replace(f" location {key.location} of account {key.account}", _PLACE)
    return text.replace(f" of location {key.location} ", " ")


def _failure(login: str, trouble: Trouble, message: str, places: int) -> State:
    """A failed refresh by its message, which need not name the login that it stands under."""
    text = message.removeprefix(f"login {login}: ").strip() or "no reason is known"
    text = text.replace(_PLACE, " these locations" if places > 1 else " this location")
    # A host name stays as it is.
    sentence = text if "." in text.partition(" ")[0] else text[0].upper() + text[1:]
    detail = sentence + ("" if text.endswith(".") else ".")
    match trouble:
        case Trouble.COMPUTING:
            return State(Tone.WAIT, "Portal still computing", detail)
        case Trouble.PAUSED:
            return State(Tone.BAD, "Sign-ins paused", detail)
        case _:
            return State(Tone.BAD, "Last refresh failed", detail)
