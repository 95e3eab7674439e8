"""The file on its way to sections: pieces that know their place, and the report of what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from re import ASCII, fullmatch

from .files import exposed_warning
from .values import quoted
from .yaml_nodes import Node, YamlMapping, YamlScalar, YamlSequence

_KINDS = {YamlMapping: "keys and values", YamlSequence: "a list", YamlScalar: "a single value"}


@dataclass(frozen=True, slots=True)
class Report:
    """Collects everything that is wrong or doubtful, so that the user sees it at once."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def problem(self, where: str, message: str) -> None:
        """Add a reason not to start."""
        self.problems.append(f"{where}: {message}")

    def warning(self, where: str, message: str) -> None:
        """Add something that the user should know."""
        self.warnings.append(f"{where}: {message}")


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration file.

    name: how messages call it.
    folder, home: what paths in it are relative to.
    is_exposed: every user of the machine can read it.
    """

    name: str
    folder: Path
    home: Path
    is_exposed: bool
    report: Report

    def warn_if_exposed(self) -> None:
        """To be called for each secret that the file holds; warns once."""
        warning = exposed_warning(self.name)
        if self.is_exposed and warning not in self.report.warnings:
            self.report.warnings.append(warning)


@dataclass(frozen=True, slots=True)
class ConfigNode:
    """A piece of the file that is still to be read. `path`: its keys, such as `smarthub[0].locations`."""

    source: Source
    path: str
    line: int
    node: Node

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"{self.source.name}:{self.line}: {self.path}" if self.path else f"{self.source.name}:{self.line}"

    @property
    def is_unset(self) -> bool:
        """Whether there is nothing or an unquoted null."""
        return isinstance(self.node, YamlScalar) and (self.node.is_null or not self.node.text)

    def refuse(self, expected: str) -> None:
        """Report that it is not of the kind that belongs here."""
        self.source.report.problem(self.where, f"must be {expected}, not {_KINDS[type(self.node)]}")

    def items(self) -> list["ConfigNode"]:
        """The elements of a list; nothing, and a problem, where it is none."""
        if isinstance(self.node, YamlSequence):
            items = enumerate(self.node.items)
            return [ConfigNode(self.source, f"{self.path}[{index}]", item.line, item) for index, item in items]
        if not self.is_unset:
            self.refuse("a list")
        return []

    def entries(self) -> Iterator[tuple[str, "ConfigNode"]]:
        """Keys and values, each key once; nothing, and a problem, where it is no mapping."""
        if not isinstance(self.node, YamlMapping):
            if not self.is_unset:
                self.refuse("keys and values")
            return
        first_lines: dict[str, int] = {}
        for entry in self.node.entries:
            key = entry.key if fullmatch(r"[\w.-]+", entry.key, ASCII) else quoted(entry.key)
            part = ConfigNode(self.source, f"{self.path}.{key}" if self.path else key, entry.line, entry.value)
            if entry.key in first_lines:
                self.source.report.problem(part.where, f"given twice, first in line {first_lines[entry.key]}")
            else:
                first_lines[entry.key] = entry.line
                yield entry.key, part

    def text(self, *, null_is_text: bool = False) -> str:
        """A single value; empty where it is not set, and where it is none, which is a problem."""
        if isinstance(self.node, YamlScalar):
            return "" if self.node.is_null and not null_is_text else self.node.text
        self.refuse("a single value")
        return ""
