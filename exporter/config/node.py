"""The file on its way to sections: pieces that know their place, and what is wrong with them."""

from dataclasses import dataclass, field
from pathlib import Path
from re import ASCII, fullmatch

import yaml

from .values import quoted
from .yaml_nodes import is_null, line_of

_KINDS = {yaml.MappingNode: "keys and values", yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration file, and everything that is wrong or doubtful in it and around it, so that it is told at once.

    name: how messages call it.
    folder, home: what paths in it are relative to.
    is_exposed: every user of the machine can read it.
    problems, warnings: reasons not to start, and what the user should know.
    """

    name: str
    folder: Path
    home: Path
    is_exposed: bool = False
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def problem(self, where: str, message: str) -> None:
        """Add a reason not to start."""
        self.problems.append(f"{where}: {message}")

    def warn_exposed(self, path: Path | str) -> None:
        """Warn, once, that every user can read a file with a secret."""
        warning = f"{path}: holds a password and every user can read it, chmod 600 {path}"
        if warning not in self.warnings:
            self.warnings.append(warning)


@dataclass(frozen=True, slots=True)
class ConfigNode:
    """A piece of the file that is still to be read; None for nothing. `path`: its keys, as `smarthub[0].locations`."""

    source: Source
    path: str
    line: int
    node: yaml.Node

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"{self.source.name}:{self.line}" + (f": {self.path}" if self.path else "")

    @property
    def is_unset(self) -> bool:
        """Whether there is nothing or an unquoted null."""
        return isinstance(self.node, yaml.ScalarNode) and (is_null(self.node) or not self.node.value)

    def _refuse(self, expected: str) -> bool:
        """Report that it is not of the kind that belongs here; False where it is only not set."""
        if self.is_unset:
            return False
        self.source.problem(self.where, f"must be {expected}, not {_KINDS[type(self.node)]}")
        return True

    def items(self) -> list["ConfigNode"]:
        """The elements of a list; nothing, and a problem, where it is none."""
        if isinstance(self.node, yaml.SequenceNode):
            items = enumerate(self.node.value)
            return [ConfigNode(self.source, f"{self.path}[{index}]", line_of(item), item) for index, item in items]
        self._refuse("a list")
        return []

    def entries(self) -> dict[str, "ConfigNode"] | None:
        """Keys and values, each key once; None where it is no mapping, which is a problem."""
        if not isinstance(self.node, yaml.MappingNode):
            return None if self._refuse("keys and values") else {}
        entries: dict[str, ConfigNode] = {}
        for key, value in self.node.value:
            name = key.value if fullmatch(r"[\w.-]+", key.value, ASCII) else quoted(key.value)
            part = ConfigNode(self.source, f"{self.path}.{name}" if self.path else name, line_of(key), value)
            first = entries.setdefault(key.value, part)
            if first is not part:
                self.source.problem(part.where, f"given twice, first in line {first.line}")
        return entries

    def text(self, *, null_is_text: bool = False) -> str | None:
        """A single value, empty where it is not set; None where it is none, which is a problem."""
        if not isinstance(self.node, yaml.ScalarNode):
            self._refuse("a single value")
            return None
        return "" if is_null(self.node) and not null_is_text else str(self.node.value)
