"""What a check came to: one line for a person, with the next step to take where there is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a step went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: how it went, what was seen, and what to do."""

    verdict: Verdict
    step: str
    text: str
    advice: str = ""


def ok(step: str, text: str, advice: str = "") -> Finding:
    """A step that went well."""
    return Finding(Verdict.OK, step, text, advice)


def warning(step: str, text: str, advice: str = "") -> Finding:
    """A step after which something should be looked at."""
    return Finding(Verdict.WARNING, step, text, advice)


def failed(step: str, text: str, advice: str = "") -> Finding:
    """A step without which the exporter does not work."""
    return Finding(Verdict.FAILED, step, text, advice)


def skipped(step: str, text: str) -> Finding:
    """A step that could not be taken."""
    return Finding(Verdict.SKIPPED, step, text)


def by_count(count: int, one: str, many: str) -> str:
    """The word that goes with a count."""
    return one if count == 1 else many


@dataclass(frozen=True, slots=True)
class Heading:
    """What the findings after it are about."""

    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Energy over time as bars: kWh with a label each, None where there is no value."""

    title: str
    bars: Sequence[tuple[str, float | None]]


CheckItem = Heading | Finding | Bars
"""What a check consists of, in the order in which a person reads it."""
