"""Times, durations, amounts and counts as people read them. Instants in seconds UTC; a zone decides how they look."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from .intervals.model import DAILY

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_IN_HOURS = 72 * _HOUR
_IN_KILOWATTS = 10_000


def length(seconds: float) -> str:
    """A length of time in its two largest units: `2 days 3 hours`, `15 minutes`, `0 seconds`."""
    rest = int(seconds)
    words: list[str] = []
    for size, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"), (1, "second")):
        count, rest = divmod(rest, size)
        if count or (size == 1 and not words):
            words.append(f"{count} {name}" + ("" if count == 1 else "s"))
        if len(words) == 2 or (words and size == _MINUTE):  # noqa: PLR2004
            break
    return " ".join(words)


def every(step: int) -> str:
    """How often a meter of this resolution, in seconds, is read: `every 15 minutes`."""
    if step in (DAILY, _HOUR):
        return "once a day" if step == DAILY else "every hour"
    return f"every {length(step)}" if step else "at unknown intervals"


def briefly(seconds: float) -> str:
    """A length of time in its largest unit, for a table: `15 min`, `2 d`."""
    for size, name in ((2 * _DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{seconds // (_DAY if name == 'd' else size):.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"


def local_time(instant: float, zone: ZoneInfo) -> str:
    """An instant by the co-op's clock, to the minute."""
    return f"{datetime.fromtimestamp(instant, zone):%Y-%m-%d %H:%M}"


def local_date(instant: float, zone: ZoneInfo) -> str:
    """The co-op's date of an instant."""
    return datetime.fromtimestamp(instant, zone).date().isoformat()


def local(instant: float, zone: ZoneInfo) -> datetime:
    """An instant by the co-op's clock."""
    return datetime.fromtimestamp(int(instant), zone)


def midnight(day: date, zone: ZoneInfo) -> int:
    """The instant at which a local day begins."""
    return int(datetime.combine(day, time.min, zone).timestamp())


def midnights(first: date, days: int, zone: ZoneInfo) -> list[int]:
    """The instants at which so many local days begin, and the one at which the last of them ends."""
    return [midnight(first + timedelta(days=each), zone) for each in range(days + 1)]


def day_text(day: date) -> str:
    """A date with its weekday: `Sat Nov 21`."""
    return f"{day:%a %b} {day.day}"


def moment(instant: float, zone: ZoneInfo, now: float | None = None) -> str:
    """An instant with the name of its clock: `Sat Nov 21 08:15 EST`; with the year where it is not that of `now`."""
    shown = local(instant, zone)
    year = "" if now is None or shown.year == local(now, zone).year else f" {shown.year}"
    return f"{day_text(shown)}{year} {shown:%H:%M %Z}"


def span(start: int, end: int, zone: ZoneInfo) -> str:
    """An interval within a day: `Sat Nov 21 08:00-08:15 EST`, with an en dash."""
    first, last = local(start, zone), local(end, zone)
    # Across a change of clocks both ends need their own name: 01:45 EDT-01:00 EST.
    name = "" if first.tzname() == last.tzname() else f" {first.tzname()}"
    return f"{day_text(first)} {first:%H:%M}{name}–{last:%H:%M %Z}"  # noqa: RUF001 - a range of times


def iso(instant: float, zone: ZoneInfo) -> str:
    """An instant for machines, with the co-op's offset."""
    return local(instant, zone).isoformat()


def lasting(seconds: float) -> str:
    """A length of time in one unit, never more than it is: `12 minutes`, `71 hours`, `3 days`."""
    if seconds < _MINUTE:
        return "less than a minute"
    size, name = (
        (_DAY, "day") if seconds >= _IN_HOURS else (_HOUR, "hour") if seconds >= 2 * _HOUR else (_MINUTE, "minute")
    )
    count = int(seconds // size)
    return f"{count} {name}" + ("" if count == 1 else "s")


def ago(seconds: float) -> str:
    """How long ago something was; a clock that was put back makes nothing lie in the future."""
    return "just now" if seconds < _MINUTE else f"{lasting(seconds)} ago"


def kwh(value: float) -> str:
    """Energy: `31.42 kWh`."""
    return f"{_number(value, 2)} kWh"


def usd(value: float) -> str:
    """Money: `$3.91`, a credit with a minus before it."""
    text = _number(abs(value), 2)
    return f"−${text}" if value < 0 and text != "0.00" else f"${text}"  # noqa: RUF001 - a minus


def power(value: float) -> str:
    """Power in W: `1,234 W`, from 10 kW on `12.3 kW`."""
    return f"{_number(value / 1000, 1)} kW" if abs(value) >= _IN_KILOWATTS else f"{_number(value, 0)} W"


def number(value: float, decimals: int = 2) -> str:
    """A plain figure whose unit stands elsewhere."""
    return _number(value, decimals)


def counted(count: int, name: str) -> str:
    """`1 day`, `2 days`."""
    return f"{count} {name}" + ("" if count == 1 else "s")


def _number(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"
