"""Configuration files for tests: a valid sample, changed key by key."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from exporter.config import Config

SAMPLE = {
    "smarthub.api_url": "novec",
    "smarthub.username": "member@example.org",
    "smarthub.password": "hunter2",
    "smarthub.timezone": "America/New_York",
}
HOME = "/home/member"
Write = Callable[..., Path]
Load = Callable[..., Config]
Problems = Callable[..., tuple[str, ...]]


def exactly(message: str) -> str:
    """Return a pattern that matches only the whole message."""
    return f"^{re.escape(message)}$"


def yaml_text(changes: Mapping[str, str | None]) -> str:
    """Return the sample with some keys changed; values are YAML, None omits a key."""
    sections: dict[str, list[str]] = {}
    for path, value in {**SAMPLE, **changes}.items():
        section, _, key = path.rpartition(".")
        if value is not None:
            sections.setdefault(section, []).append(f"{'  ' if section else ''}{key}: {value}".rstrip())
    return "".join("\n".join([f"{name}:", *lines] if name else lines) + "\n" for name, lines in sections.items())
