"""The switches of the simulated portal, which can be changed while it runs."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any


class Dst(StrEnum):
    """What the portal does on the days of daylight saving changes.

    In autumn the repeated hour comes twice (`duplicate`), merged into one, or once (`lost`, without the first). In
    spring `phantom` writes zeros for the hour that does not exist. See docs/portal.md, "Daylight saving changes".
    """

    DUPLICATE = "duplicate"
    MERGED = "merged"
    LOST = "lost"
    PHANTOM = "phantom"


class MonthlyBounds(StrEnum):
    """Whether the bounds of billing periods are wall-clock times or real instants; real portals may use either."""

    WALL = "wall"
    REAL = "real"


class Meters(StrEnum):
    """How `meters` describes the channels of USAGE: in full, without numbers and series ids, or not at all."""

    FULL = "full"
    NO_NUMBERS = "no_numbers"
    NONE = "none"


class Cost(StrEnum):
    """How cost is written: in dollars, in cents, with labels of its own, as zeros, or as a copy of the usage."""

    USD = "usd"
    CENTS = "cents"
    LABELLED = "labelled"
    ZEROS = "zeros"
    USAGE = "usage"


class SignIn(StrEnum):
    """How a sign-in is answered (docs/portal.md, "Rejected sign-ins").

    `no_session` says SUCCESS without a token, `cookie` the same with a cookie that is the session. When the portal is
    `down`, it answers the question for the second factor with a page too.
    """

    OK = "ok"
    FAILURE = "failure"
    NO_TOKEN = "no_token"  # noqa: S105 - not a password
    STATUS_400 = "400"
    STATUS_401 = "401"
    STATUS_403 = "403"
    STATUS_404 = "404"
    STATUS_422 = "422"
    STATUS_423 = "423"
    SECOND_FACTOR = "second_factor"
    STATUS_500 = "500"
    STATUS_503 = "503"
    PAGE = "page"
    TEXT = "text"
    LIST = "list"
    REDIRECT = "redirect"
    CUT_OFF = "cut_off"
    NO_SESSION = "no_session"
    COOKIE = "cookie"
    DOWN = "down"


class Poll(StrEnum):
    """How a call for data is answered (docs/portal.md, "Oddities of usage answers")."""

    OK = "ok"
    PAGE = "page"
    STATUS_401 = "401"
    STATUS_403 = "403"
    STATUS_429 = "429"
    STATUS_500 = "500"
    STATUS_503 = "503"
    CUT_OFF = "cut_off"
    NO_JSON = "no_json"
    WRONG_SHAPE = "wrong_shape"
    FAILED = "failed"
    PENDING = "pending"
    NO_DATA = "no_data"
    NO_ELECTRIC = "no_electric"
    NO_ENTRY = "no_entry"
    NO_USAGE = "no_usage"
    NO_SERIES = "no_series"
    NO_POINTS = "no_points"
    STATUS_204 = "204"
    STATUS_404 = "404"


class Hourly(StrEnum):
    """How an HOURLY poll is answered, whatever a DAILY one returns (docs/portal.md, "Resolution")."""

    OK = "ok"
    FAILED = "failed"
    STATUS_500 = "500"
    DAILY = "daily"


class Search(StrEnum):
    """How a search of the directory of co-ops is answered (docs/portal.md, "Names and the directory").

    `ok` lists this co-op if a word of its name begins with what is searched for, `three` two made-up ones too.
    """

    OK = "ok"
    NONE = "none"
    THREE = "three"
    NO_DOMAIN = "no_domain"
    PAGE = "page"
    STATUS_404 = "404"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Span:
    """A time span of one meter, in seconds UTC."""

    meter: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Revision:
    """From `since` on, the interval of a meter that starts at `start` has `factor` times its energy."""

    meter: str
    start: int
    since: float
    factor: float


@dataclass(frozen=True, slots=True)
class Stray:
    """An extra point of a meter's first channel that belongs to no interval, at `wall` on the wall clock."""

    meter: str
    wall: int
    value: float


@dataclass(frozen=True, slots=True)
class Settings:
    """The switches. Times and durations are in seconds.

    - `lag`: how long after its end an interval is posted; its cost follows `cost_lag` later
    - `partial_newest`: the newest interval has the energy posted so far
    - `placeholders`: intervals that are not posted yet are zeros, until the end of the range
    - `gaps`, `nulls`: spans whose points are missing, or have no value
    - `strays`, `revisions`: extra points, and energy that changes later
    - `dst`, `sign_in`, `poll`, `hourly`: how daylight saving changes, sign-ins, polls and HOURLY polls are answered
    - `discovery`, `accounts`: how `user-data` and the plain list of accounts are answered; NO_DATA is null, NO_ENTRY an
      empty list, NO_POINTS accounts without locations
    - `directory`: how the directory of co-ops answers a search
    - `nameless`: the portal does not say its own name
    - `foreign`: the host is not SmartHub and answers everything with a page
    - `second_factor_method`: the portal's word for every login's second factor, instead of `TOTP` or `NONE`
    - `refused_locations`: numbers of locations whose polls are answered with 403
    - `failing_industries`: `WATER` or `GAS`, whose polls are FAILED
    - `pending`: how often a poll is PENDING first
    - `longest_days`, `slow_days`: longer ranges are FAILED, or stay PENDING
    - `padding`: bytes without meaning in an answer for each of its days
    - `token_life`: lifetime of a token
    - `expires_in_ms`: `expiration` is in milliseconds, without `expiresIn`
    - `shuffled`: the points are in no order
    - `numeric_ids`: numbers of accounts, locations and meters are JSON numbers
    - `latency`: wait before each answer
    - `shifted`: how far the wall clock is ahead, as if it were another zone's; bills follow it
    - `monthly_bounds`: how billing periods are written
    - `silent_flags`: `hasHourly` and `hasDaily` are missing
    - `meters`, `cost`: how channels are described, and how cost is written
    - `inclusive_end`: a point at the end of the range is returned too
    - `end_labels`: points of HOURLY are at the end of their interval
    - `history_from`: the first local day (ISO) with points, for a portal that does not keep older ones
    - `connect_date`: the day (ISO) that answers name as the location's connection; `own` is the true one, empty is none
    - `daylight_only`: numbers of meters without points from 18:00 to 7:00, as on a solar array
    """

    lag: float = 0.0
    cost_lag: float = 0.0
    partial_newest: bool = False
    placeholders: bool = False
    gaps: tuple[Span, ...] = ()
    nulls: tuple[Span, ...] = ()
    strays: tuple[Stray, ...] = ()
    revisions: tuple[Revision, ...] = ()
    dst: Dst = Dst.DUPLICATE
    sign_in: SignIn = SignIn.OK
    second_factor_method: str = ""
    directory: Search = Search.OK
    nameless: bool = False
    foreign: bool = False
    poll: Poll = Poll.OK
    refused_locations: tuple[str, ...] = ()
    failing_industries: tuple[str, ...] = ()
    discovery: Poll = Poll.OK
    accounts: Poll = Poll.OK
    hourly: Hourly = Hourly.OK
    pending: int = 1
    longest_days: int = 1000
    slow_days: int = 1000
    padding: int = 0
    token_life: float = 299.0
    expires_in_ms: bool = False
    shuffled: bool = False
    numeric_ids: bool = False
    latency: float = 0.0
    shifted: int = 0
    silent_flags: bool = False
    monthly_bounds: MonthlyBounds = MonthlyBounds.WALL
    meters: Meters = Meters.FULL
    cost: Cost = Cost.USD
    inclusive_end: bool = False
    end_labels: bool = False
    history_from: str = ""
    connect_date: str = "own"
    daylight_only: tuple[str, ...] = ()

    def identifier(self, number: str) -> str | int:
        """Convert the number of a meter, location or account to the portal's form."""
        return int(number) if self.numeric_ids and number.isdecimal() else number

    def changed(self, changes: Any) -> "Settings":  # noqa: ANN401 - JSON
        """Return the settings with changes from JSON. Raises ValueError for unknown switches and invalid values."""
        if not isinstance(changes, dict):
            raise ValueError('expected a JSON object, such as {"lag": 3600}')  # noqa: TRY004 - invalid input
        known = asdict(self)
        if unknown := sorted(set(changes) - set(known)):
            raise ValueError(f"unknown switch: {', '.join(unknown)}; use one of {', '.join(sorted(known))}")
        values: dict[str, Any] = {}
        for name, value in changes.items():
            try:
                values[name] = _converted(value, known[name], _ITEMS.get(name))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name}: {error}") from None
        return replace(self, **values)

    def as_json(self) -> str:
        """Return all switches and their values."""
        return json.dumps(asdict(self), indent=2)


def covers(spans: Iterable[Span], meter: str, instant: int) -> bool:
    """Return whether one of the spans contains an instant of a meter."""
    return any(span.meter == meter and span.start <= instant < span.end for span in spans)


_ITEMS: dict[str, type] = {"gaps": Span, "nulls": Span, "strays": Stray, "revisions": Revision}
"""The items of the lists that do not hold text."""


def _converted(value: Any, example: Any, item: type | None) -> Any:  # noqa: ANN401 - JSON
    """Convert JSON to the type of the example. `item` is the type of the items of a list, or None for text."""
    if isinstance(example, StrEnum):
        kind = type(example)
        if str(value) not in list(kind):
            raise ValueError(f"{json.dumps(value)} is not one of {', '.join(kind)}")
        return kind(str(value))
    if isinstance(example, str):
        if not isinstance(value, str):
            raise TypeError(f"{json.dumps(value)} is not text")
        return value
    if isinstance(example, tuple):
        if not isinstance(value, list):
            raise TypeError(f"{json.dumps(value)} is not a list")
        return tuple(item(**each) if item else str(each) for each in value)
    if isinstance(example, bool) is not isinstance(value, bool) or not isinstance(value, int | float):
        expected = "true or false" if isinstance(example, bool) else "a number"
        raise TypeError(f"{json.dumps(value)} is not {expected}")
    return type(example)(value)
