"""The results of a check: one line for each step, with the next thing to do if there is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial


class Verdict(StrEnum):
    """How a step went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one step: its verdict, what was found, and what to do next.

    loses_data: samples are lost until it is fixed. command: a part of the advice for a shell, shown as it is.
    """

    verdict: Verdict
    step: str
    text: str
    advice: str = ""
    loses_data: bool = False
    command: str = ""


ok = partial(Finding, Verdict.OK)
warning = partial(Finding, Verdict.WARNING)
losing = partial(Finding, Verdict.WARNING, loses_data=True)
failed = partial(Finding, Verdict.FAILED)
skipped = partial(Finding, Verdict.SKIPPED)


@dataclass(frozen=True, slots=True)
class Heading:
    """What the findings below it are about."""

    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Energy over time as bars: a label and kWh each, None for a missing value."""

    title: str
    bars: Sequence[tuple[str, float | None]]


CheckItem = Heading | Finding | Bars
"""The parts of a check, in the order in which they are shown."""
