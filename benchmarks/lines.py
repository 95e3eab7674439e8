"""The result of a benchmark, and its table as text, Markdown or JSON."""

import json
import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """A measurement.

    `limit` is what the same run took for the least that has to be done, described by `beside`; the result is then the
    ratio. Without one the result is the measurement itself. It passes if the result is at most `bar`.
    """

    what: str
    measured: float
    unit: str = "s"
    beside: str = ""
    limit: float | None = None
    bar: float | None = None

    @property
    def result(self) -> float:
        return self.measured if self.limit is None else self.measured / self.limit

    @property
    def passed(self) -> bool | None:
        """Whether it is within its bar; None if it has none."""
        return None if self.bar is None else self.result <= self.bar

    def cells(self) -> tuple[str, ...]:
        return (
            self.what,
            f"{_number(self.measured)} {self.unit}",
            "" if self.limit is None else f"{_number(self.limit)} {self.unit}, {self.beside}",
            "" if self.limit is None else _number(self.result),
            "" if self.bar is None else f"{self.bar:g}",
            {True: "pass", False: "fail", None: ""}[self.passed],
        )


HEAD = ("what", "measured", "limit", "ratio", "bar", "")


def machine() -> dict[str, str | int | None]:
    """Describe when and where this runs."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": found[1] if found else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def as_text(line: Line) -> str:
    what, measured, limit, ratio, bar, verdict = line.cells()
    return f"{what:<66} {measured:>9}  {limit:<56} {ratio:>6} {bar:>5} {verdict}".rstrip()


def as_markdown(lines: Iterable[Line]) -> str:
    where = machine()
    rows = [HEAD, ("---", "--:", "---", "--:", "--:", "---"), *(line.cells() for line in lines)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{where['date']}, {where['machine']}, {where['cores']} cores, Python {where['python']}:\n\n{table}"


def as_json(lines: Sequence[Line]) -> str:
    every = [asdict(line) | {"result": line.result, "passed": line.passed} for line in lines]
    return json.dumps(machine() | {"lines": every}, indent=2)


def _number(value: float) -> str:
    """Return three digits, or the whole part of a larger number."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"
