"""The pieces of the file with their places, and the problems found in them."""

from dataclasses import dataclass, field
from pathlib import Path
from re import ASCII, fullmatch

import yaml

from .values import quoted
from .yaml_nodes import NULL_TAG, line_of

_KINDS = {yaml.MappingNode: "key: value pairs", yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration file, and all problems and warnings, which are reported at once.

    name: The name of the file in messages.
    folder: The directory that paths in the file are relative to.
    home: The directory that `~` stands for.
    is_exposed: Every user of this machine can read the file.
    """

    name: str
    folder: Path
    home: Path
    is_exposed: bool = False
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def problem(self, where: str, message: str) -> None:
        """Add a problem that prevents the start."""
        self.problems.append(f"{where}: {message}")

    def warn_exposed(self, path: Path | str) -> None:
        """Warn once that every user can read a file with a secret."""
        warning = f"{path}: contains a password and is world-readable; run: chmod 600 {path}"
        if warning not in self.warnings:
            self.warnings.append(warning)


@dataclass(frozen=True, slots=True)
class ConfigNode:
    """A node of the configuration file.

    path: The keys that lead to it, such as `smarthub[0].locations`.
    """

    source: Source
    path: str
    line: int
    node: yaml.Node

    @property
    def where(self) -> str:
        """The place as messages name it."""
        return f"{self.source.name}:{self.line}" + (f": {self.path}" if self.path else "")

    def _refuse(self, expected: str) -> bool:
        """Report a value of the wrong kind; return False if it is only unset: empty or an unquoted null."""
        if isinstance(self.node, yaml.ScalarNode) and (self.node.tag == NULL_TAG or not self.node.value):
            return False
        self.source.problem(self.where, f"must be {expected}, not {_KINDS[type(self.node)]}")
        return True

    def items(self) -> list["ConfigNode"]:
        """Return the elements of a list; anything else is a problem and returns none."""
        if isinstance(self.node, yaml.SequenceNode):
            items = enumerate(self.node.value)
            return [ConfigNode(self.source, f"{self.path}[{index}]", line_of(item), item) for index, item in items]
        self._refuse("a list")
        return []

    def entries(self) -> dict[str, "ConfigNode"] | None:
        """Return the values by key; None for anything but a mapping, which is a problem."""
        if not isinstance(self.node, yaml.MappingNode):
            return None if self._refuse("key: value pairs") else {}
        entries: dict[str, ConfigNode] = {}
        for key, value in self.node.value:
            name = key.value if fullmatch(r"[\w.-]+", key.value, ASCII) else quoted(key.value)
            part = ConfigNode(self.source, f"{self.path}.{name}" if self.path else name, line_of(key), value)
            first = entries.setdefault(key.value, part)
            if first is not part:
                self.source.problem(part.where, f"duplicate key, first defined in line {first.line}; remove one")
        return entries

    def text(self, *, null_is_text: bool = False) -> str | None:
        """Return a single value, empty if unset.

        Anything else is a problem and returns None.
        """
        if not isinstance(self.node, yaml.ScalarNode):
            self._refuse("a single value")
            return None
        return "" if self.node.tag == NULL_TAG and not null_is_text else str(self.node.value)
