"""Credentials taken out of what a server says, in whatever notation it repeats them."""

import html
import json
import re
from collections.abc import Iterable

_HIDDEN = "..."


def redact(text: str, secrets: Iterable[str], names: Iterable[str] = ()) -> str:
    """The text with dots for each secret wherever it is, and for each name where it is a word of its own."""
    # The longest first: of a pair and its parts the pair goes as a whole.
    patterns = [_noted(each) for each in sorted(set(secrets), key=len, reverse=True) if each]
    patterns += [rf"(?<![^\W_]){_noted(each)}(?![^\W_])" for each in names if each]
    return re.sub("|".join(patterns), _HIDDEN, text, flags=re.IGNORECASE) if patterns else text


def _noted(secret: str) -> str:
    return "".join(map(_letter, secret))


def _letter(letter: str) -> str:
    """A letter as it is, as URLs, JSON, Go and HTML write it, and as it looks in the wrong encoding."""
    data, number = letter.encode(), ord(letter)
    forms = {
        letter,
        "".join(f"%{byte:02x}" for byte in data),
        json.dumps(letter)[1:-1],
        f"\\{letter}",
        f"\\u{number:04x}",
        "".join(f"\\x{byte:02x}" for byte in data),
        html.escape(letter),
        f"&#{number};",
        f"&#x{number:x};",
        data.decode("latin-1"),
        letter if letter.isascii() else "\N{REPLACEMENT CHARACTER}",
        "+" if letter == " " else letter,
    }
    return f"(?:{'|'.join(re.escape(form) for form in sorted(forms, key=len, reverse=True))})"
