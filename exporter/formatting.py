"""Times, durations, amounts, counts and foreign text for people.

Instants are in seconds UTC and shown in a time zone.
"""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_IN_KILOWATTS = 10_000


def printable(text: str) -> str:
    r"""Return a text with escapes such as `\x1b` for what would control a terminal or cannot be encoded.

    Lines stay lines.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode() for each in text
    )


def length(seconds: float) -> str:
    """Return a duration in its two largest units: `2 days 3 hours`, `15 minutes`."""
    if seconds < _MINUTE:
        return counted(int(seconds), "second")
    rest = int(seconds)
    words: list[str] = []
    for size, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        count, rest = divmod(rest, size)
        if count:
            words.append(counted(count, name))
    return " ".join(words[:2])


def every(step: int) -> str:
    """Return how often a meter is read, given seconds: `every 15 minutes`."""
    if step in (_DAY, _HOUR):
        return "once a day" if step == _DAY else "every hour"
    return f"every {length(step)}" if step else "at unknown intervals"


def briefly(seconds: float) -> str:
    """Return a duration in its largest unit, for tables: `15 min`, `2 d`."""
    for least, size, name in ((2 * _DAY, _DAY, "d"), (_HOUR, _HOUR, "h"), (_MINUTE, _MINUTE, "min")):
        if seconds >= least:
            return f"{seconds // size:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"


def local_time(instant: float, zone: ZoneInfo) -> str:
    """Return an instant as the co-op's date and time, to the minute."""
    return f"{local(instant, zone):%Y-%m-%d %H:%M}"


def local_date(instant: float, zone: ZoneInfo) -> str:
    """Return an instant as the co-op's date."""
    return local(instant, zone).date().isoformat()


def local(instant: float, zone: ZoneInfo) -> datetime:
    """Return an instant in the co-op's time zone."""
    return datetime.fromtimestamp(int(instant), zone)


def midnight(day: date, zone: ZoneInfo) -> int:
    """Return the instant at which a local day begins."""
    return int(datetime.combine(day, time.min, zone).timestamp())


def midnights(first: date, days: int, zone: ZoneInfo) -> list[int]:
    """Return the instants at which local days begin, and the end of the last one."""
    return [midnight(first + timedelta(days=each), zone) for each in range(days + 1)]


def day_text(day: date) -> str:
    """Return a date with its weekday: `Sat Nov 21`."""
    return f"{day:%a %b} {day.day}"


def moment(instant: float, zone: ZoneInfo, now: float | None = None) -> str:
    """Return an instant with its zone: `Sat Nov 21 08:15 EST`.

    The year is added if it is not that of `now`.
    """
    shown = local(instant, zone)
    year = "" if now is None or shown.year == local(now, zone).year else f" {shown.year}"
    return f"{day_text(shown)}{year} {shown:%H:%M %Z}"


def span(start: int, end: int, zone: ZoneInfo) -> str:
    """Return an interval within a day: `Sat Nov 21 08:00-08:15 EST`, with an en dash."""
    first, last = local(start, zone), local(end, zone)
    # Across a daylight saving change both ends need their zone: 01:45 EDT-01:00 EST.
    name = "" if first.tzname() == last.tzname() else f" {first.tzname()}"
    return f"{day_text(first)} {first:%H:%M}{name}–{last:%H:%M %Z}"  # noqa: RUF001 - a range of times


def iso(instant: float, zone: ZoneInfo) -> str:
    """Return an instant in ISO 8601 with the co-op's offset."""
    return local(instant, zone).isoformat()


def lasting(seconds: float) -> str:
    """Return a duration in one unit, rounded down: `12 minutes`, `71 hours`, `3 days`."""
    for least, size, name in ((72 * _HOUR, _DAY, "day"), (2 * _HOUR, _HOUR, "hour"), (_MINUTE, _MINUTE, "minute")):
        if seconds >= least:
            return counted(int(seconds // size), name)
    return "less than a minute"


def ago(seconds: float) -> str:
    """Return how long ago something was.

    Times in the future, after a clock was set back, are `just now`.
    """
    return "just now" if seconds < _MINUTE else f"{lasting(seconds)} ago"


def kwh(value: float) -> str:
    """Return energy: `31.42 kWh`."""
    return f"{number(value)} kWh"


def usd(value: float) -> str:
    """Return money: `$3.91`, with a minus sign for a credit."""
    sign = "−" if round(value, 2) < 0 else ""  # noqa: RUF001 - a minus
    return f"{sign}${number(abs(value))}"


def power(value: float) -> str:
    """Return power, given in W: `1,234 W`, or `12.3 kW` from 10 kW on."""
    return f"{number(value / 1000, 1)} kW" if abs(value) >= _IN_KILOWATTS else f"{number(value, 0)} W"


def number(value: float, decimals: int = 2) -> str:
    """Return a number with thousands separators and without a unit."""
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"


def counted(count: int, name: str) -> str:
    """Return a count with its noun: `1 day`, `2 days`."""
    return f"{count:,} {name}" + ("" if count == 1 else "s")
