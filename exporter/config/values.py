"""Parse single values, as the user typed them, into what the program uses.

Each function raises ValueError with a message for the user. Those for secrets never repeat the text.
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
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
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
    """Quote a text for a message, on one line and not too long."""
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return json.dumps(shown)


def nearest(text: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the known word that was most likely meant, empty if none is similar."""
    return next(iter(get_close_matches(text, known, n=1, cutoff=cutoff)), "")


def single_line(text: str) -> str:
    """Return the text. Raises ValueError for line breaks and control characters."""
    if _INVISIBLE.search(text):
        raise ValueError("contains a line break or a control character; remove it")
    return text


def check_text(text: str) -> str:
    """Return the text. Raises ValueError for surrogates, which cannot be encoded."""
    if _SURROGATES.search(text):
        raise ValueError("not valid Unicode text; enter it again")
    return text


def parse_duration(text: str) -> int:
    """Return the seconds of a Prometheus duration such as `1h30m` or `7d`.

    Raises ValueError.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        raise ValueError(f"{quoted(text)} has no unit; for seconds, write {text}s")
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{quoted(text)} is not a duration; write 90s, 15m, 1h30m or 7d")
    return sum(int(count or 0) * seconds for count, seconds in zip(match.groups(), _UNITS.values(), strict=True))


def parse_bounded_duration(text: str, *, least: int = 1) -> int:
    """Return the seconds of a duration from `least` seconds to 35 days.

    Raises ValueError.
    """
    seconds = parse_duration(text)
    if not least <= seconds <= _LONGEST_DURATION:
        bounds = f"{format_duration(least)} to {format_duration(_LONGEST_DURATION)}"
        raise ValueError(f"{format_duration(seconds)} is out of range; use {bounds}")
    return seconds


def format_duration(seconds: int) -> str:
    """Write seconds as a duration, in days and smaller units: `7d`, `1h30m`, `0s`."""
    words = []
    for unit in "dhms":
        count, seconds = divmod(seconds, _UNITS[unit])
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) or "0s"


def parse_boolean(text: str) -> bool:
    """Parse true, yes, on, false, no or off. Raises ValueError."""
    value = yaml.SafeLoader.bool_values.get(text.strip().lower())
    if value is None:
        raise ValueError(f"{quoted(text)} is not a boolean; use true or false")
    return value


def parse_snapshots(text: str) -> bool:
    """Parse auto or never. Raises ValueError."""
    word = text.strip().lower()
    if word not in ("auto", "never"):
        raise ValueError(f"{quoted(text)} is not valid; use auto or never")
    return word == "auto"


def parse_count(text: str, *, most: int) -> int:
    """Parse a whole number from 1 to `most`. Raises ValueError."""
    text = text.strip()
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= most:
        raise ValueError(f"{quoted(text)} is not a whole number from 1 to {most}")
    return int(text)


def parse_zone(text: str) -> ZoneInfo:
    """Return the IANA zone of that name.

    Raises ValueError with the name of a similar zone.
    """
    name = text.strip()
    # The zones under right/ count leap seconds, which no portal does.
    if not name.startswith(("posix/", "right/")):
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, LookupError):
            pass
    zones = {zone.lower(): zone for zone in sorted(available_timezones())} | _ABBREVIATIONS
    near = nearest(name.lower().replace(" ", "_"), zones)
    advice = f'did you mean "{zones[near]}"?' if near else "use Area/City, such as America/New_York"
    raise ValueError(f"unknown time zone {quoted(name)}; {advice}")


def parse_label_name(text: str) -> str:
    """Check the name of a label to add to every series. Raises ValueError."""
    if not (text.isascii() and text.isidentifier()) or text.startswith("__"):
        raise ValueError("not a valid label name; use letters, digits and _, and do not begin with a digit or __")
    if text in _OWN_LABELS:
        raise ValueError("the exporter sets this label itself; choose another name")
    return text


def check_header_text(text: str) -> None:
    """Check that a token can be sent in an HTTP header. Raises ValueError."""
    if not text.isascii() or not text.isprintable():
        raise ValueError("contains characters that are not valid in a token; copy it again")
