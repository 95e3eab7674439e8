"""How the simulated portal behaves: every switch, changeable while it runs (portal-facts 12)."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any


class Dst(StrEnum):
    """What the portal does with the days on which clocks change (portal-facts 4.3)."""

    DUPLICATE = "duplicate"
    MERGED = "merged"
    LOST = "lost"
    PHANTOM = "phantom"


class MonthlyBounds(StrEnum):
    """How the bounds of billing periods are written: as x is, or as real instants (portal-facts 4.1: nobody knows)."""

    WALL = "wall"
    REAL = "real"


class SignIn(StrEnum):
    """How a sign-in is answered (portal-facts 1.3)."""

    OK = "ok"
    FAILURE = "failure"
    NO_TOKEN = "no_token"  # noqa: S105 - a kind of answer
    STATUS_400 = "400"
    STATUS_401 = "401"
    STATUS_403 = "403"
    SECOND_FACTOR = "second_factor"
    STATUS_500 = "500"
    PAGE = "page"


class Poll(StrEnum):
    """How a call for data is answered."""

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


@dataclass(frozen=True, slots=True)
class Span:
    """A time of one meter, in seconds UTC."""

    meter: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Revision:
    """From `since` on the portal gives `factor` times the energy of the interval of a meter that begins at `start`."""

    meter: str
    start: int
    since: float
    factor: float


@dataclass(frozen=True, slots=True)
class Stray:
    """A point of a meter's first channel that belongs to no interval; `wall` in seconds on the wall clock."""

    meter: str
    wall: int
    value: float


@dataclass(frozen=True, slots=True)
class Settings:
    """The switches. Times and lengths in seconds.

    lag: how long after its end an interval is posted. cost_lag: how much later its cost is.
    partial_newest: an interval that is posted in part is given with the energy so far.
    placeholders: intervals not posted yet are given as zeros until the end of the day.
    gaps: intervals that are missing. nulls: intervals given as null (or without y, every other one).
    pending: how often a poll is answered PENDING. longest_days: longer ranges FAIL. slow_days: longer ranges stay
    PENDING. sign_in, poll: how they fail, if they do. token_life: seconds. expires_in_ms: `expiration` in ms, without
    `expiresIn`. shuffled: points in no order. numeric_ids: ids as numbers. latency: before each answer.
    shifted: the wall clock of its times is that of another zone, so many seconds ahead; it bills by that clock too.
    monthly_bounds: how the intervals of MONTHLY answers are written.
    silent_flags: hasHourly and hasDaily are left out.
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
    poll: Poll = Poll.OK
    refused_locations: tuple[str, ...] = ()
    discovery: Poll = Poll.OK
    pending: int = 1
    longest_days: int = 1000
    slow_days: int = 1000
    token_life: float = 299.0
    expires_in_ms: bool = False
    shuffled: bool = False
    numeric_ids: bool = False
    latency: float = 0.0
    shifted: int = 0
    silent_flags: bool = False
    monthly_bounds: MonthlyBounds = MonthlyBounds.WALL

    def share(self, start: int, end: int, posted: float) -> float:
        """How much of a time is posted, from 0 to 1: all or nothing, unless the newest is given in part."""
        if end <= posted:
            return 1.0
        return max(0.0, (posted - start) / (end - start)) if self.partial_newest else 0.0

    def identifier(self, number: str) -> str | int:
        """A number of a meter, location or account as the portal writes it."""
        return int(number) if self.numeric_ids and number.isdecimal() else number

    def changed(self, changes: dict[str, Any]) -> "Settings":
        """Other settings, from JSON. Raises ValueError for a switch or value that there is not."""
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
        """All switches and their values."""
        return json.dumps(asdict(self), indent=2)


def covers(spans: Iterable[Span], meter: str, instant: int) -> bool:
    """Whether an instant of a meter lies in one of the spans."""
    return any(span.meter == meter and span.start <= instant < span.end for span in spans)


_ITEMS: dict[str, type] = {"gaps": Span, "nulls": Span, "strays": Stray, "revisions": Revision}
"""What the lists of some switches consist of; the others hold text."""


def _converted(value: Any, example: Any, item: type | None) -> Any:  # noqa: ANN401 - JSON
    """Convert a value from JSON to the type of the example. `item` is what it is a list of."""
    if isinstance(example, StrEnum):
        kind = type(example)
        if str(value) not in list(kind):
            raise ValueError(f"{json.dumps(value)} is not one of {', '.join(kind)}")
        return kind(str(value))
    if isinstance(example, tuple):
        if not isinstance(value, list):
            raise TypeError(f"{json.dumps(value)} is not a list")
        return tuple(item(**each) if item else str(each) for each in value)
    if isinstance(example, bool) is not isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{json.dumps(value)} is not of type {type(example).__name__}")
    return type(example)(value)
