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
