"""Single values: what the user typed to what the program uses.

The functions raise ValueError with a message for the user. Those for secrets never repeat the text.
"""

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

import yaml

_UNITS = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS))
_NUMBER = re.compile(r"[0-9]{1,9}")
_OWN_LABELS = frozenset({"portal", "account", "location", "meter", "period"})
_LONGEST_DURATION = 35 * 86400
_HALF_CHARACTERS = re.compile(r"[\ud800-\udfff]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHOWN_CHARACTERS = 60
_ABBREVIATIONS = {
    **dict.fromkeys(("edt", "et", "eastern"), "America/New_York"),
    **dict.fromkeys(("cst", "cdt", "ct", "central"), "America/Chicago"),
    **dict.fromkeys(("mdt", "mt", "mountain"), "America/Denver"),
    **dict.fromkeys(("pst", "pdt", "pt", "pacific"), "America/Los_Angeles"),
    **dict.fromkeys(("akst", "akdt", "alaska"), "America/Anchorage"),
    "hawaii": "Pacific/Honolulu",
    "arizona": "America/Phoenix",
}


def quoted(text: str) -> str:
    """Text for a message: in quotes, on one line, not endless."""
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return json.dumps(shown)


def nearest(text: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The known word that was most likely meant, empty where none is near."""
    return next(iter(get_close_matches(text, known, n=1, cutoff=cutoff)), "")


def single_line(text: str) -> str:
    """The text itself. Raises ValueError where it has a character that cannot be seen."""
    if _UNSEEN.search(text):
        raise ValueError("holds a line break or a control character")
    return text


def check_text(text: str) -> str:
    """The text itself. Raises ValueError for the remains of bytes that were no text."""
    if _HALF_CHARACTERS.search(text):
        raise ValueError("holds what is no text")
    return text


def parse_duration(text: str) -> int:
    """Seconds of a Prometheus duration such as `15m`, `1h30m` or `7d`. Raises ValueError."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        raise ValueError(f"{quoted(text)} has no unit, for seconds write {text}s")
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{quoted(text)} is not a duration such as 90s, 15m, 1h30m or 7d")
    return sum(int(count or 0) * seconds for count, seconds in zip(match.groups(), _UNITS.values(), strict=True))


def parse_bounded_duration(text: str, *, least: int = 1) -> int:
    """A duration from `least` seconds to 35 days. Raises ValueError."""
    seconds = parse_duration(text)
    if seconds < least:
        raise ValueError(f"{format_duration(seconds)} is too short, at least {format_duration(least)}")
    if seconds > _LONGEST_DURATION:
        raise ValueError(f"{format_duration(seconds)} is too long, at most {format_duration(_LONGEST_DURATION)}")
    return seconds


def format_duration(seconds: int) -> str:
    """The duration that parse_duration reads as `seconds`, in days and smaller: `7d`, `1h30m`, `0s`."""
    words = []
    for unit in "dhms":
        count, seconds = divmod(seconds, _UNITS[unit])
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) or "0s"


def parse_boolean(text: str) -> bool:
    """Raises ValueError for anything but true, yes, on, false, no, off."""
    value = yaml.SafeLoader.bool_values.get(text.strip().lower())
    if value is None:
        raise ValueError(f"{quoted(text)} is neither true nor false")
    return value


def parse_count(text: str, *, most: int) -> int:
    """A whole number from 1 to `most`. Raises ValueError."""
    text = text.strip()
    if not _NUMBER.fullmatch(text) or int(text) == 0:
        raise ValueError(f"{quoted(text)} is not a positive whole number")
    if int(text) > most:
        raise ValueError(f"{int(text)} is too much, at most {most}")
    return int(text)


def parse_zone(text: str) -> ZoneInfo:
    """The IANA zone of that name. Raises ValueError, which names the nearest one."""
    name = text.strip()
    # right/ counts leap seconds, which no portal does.
    if not name.startswith(("posix/", "right/")):
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, LookupError):
            pass
    zones = {zone.lower(): zone for zone in sorted(available_timezones())} | _ABBREVIATIONS
    near = nearest(name.lower().replace(" ", "_"), zones)
    advice = f'did you mean "{zones[near]}"?' if near else "write it as Area/City, such as America/New_York"
    raise ValueError(f"unknown time zone {quoted(name)}, {advice}")


def parse_label_name(text: str) -> str:
    """A label that may be added to the exporter's series. Raises ValueError."""
    if not (text.isascii() and text.isidentifier()) or text.startswith("__"):
        raise ValueError("not a valid label name: letters, digits and _, no digit first, not __ first")
    if text in _OWN_LABELS:
        raise ValueError("the exporter's series have this label already")
    return text


def check_header_text(text: str) -> None:
    """Raises ValueError for a token that cannot be sent in an HTTP header."""
    if not text.isascii() or not text.isprintable():
        raise ValueError("holds characters that a token cannot have, such as a line break")
