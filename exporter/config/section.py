"""One mapping of the file with the environment laid over it: strict about keys, complete in what it reports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar
from unicodedata import category

from .files import FileContent, expand, exposed_warning, read_file, reason
from .model import Secret
from .node import ConfigNode, Report
from .schema import FILE_KEY, SECTIONS, Shape
from .values import quoted
from .yaml_nodes import YamlMapping, YamlScalar

T = TypeVar("T")

_UNSEEN_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
_NULL_IS_TEXT = ("password",)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that is set. `name`: the key or the variable alone; `folder`: what a path in it is relative to."""

    text: str
    where: str
    name: str
    folder: Path


class Section:
    """The settings of one mapping and their conversion, with a problem in the report for each that cannot be had.

    place: how messages name the mapping; empty where the file does not have it.
    """

    def __init__(self, shape: Shape, *, place: str, report: Report, home: Path) -> None:
        self.shape = shape
        self.place = place
        self.report = report
        self.settings: dict[str, Setting] = {}
        self.parts: dict[str, ConfigNode] = {}
        self._home = home
        self._reported: set[str] = set()
        self._takes_variables = False

    @classmethod
    def read(cls, part: ConfigNode, shape: Shape) -> "Section":
        """The section that a part of the file holds; unknown and repeated keys are problems."""
        section = cls(shape, place=part.where, report=part.source.report, home=part.source.home)
        if not part.is_unset and not isinstance(part.node, YamlMapping):
            section._reported.update(shape.keys)
        for key, value in part.entries():
            section._take(key, value)
        return section

    def subsection(self, key: str, shape: Shape) -> "Section":
        """The section under a key; an empty one where the key is not there."""
        part = self.parts.get(key)
        return Section(shape, place="", report=self.report, home=self._home) if part is None else self.read(part, shape)

    def _take(self, key: str, part: ConfigNode) -> None:
        if key in self.shape.nested:
            self.parts[key] = part
        elif key not in self.shape.keys:
            self.report.problem(part.where, f"unknown key, {self._advice(key)}")
        elif not isinstance(part.node, YamlScalar):
            part.refuse("a single value")
            self._reported.add(key.removesuffix(FILE_KEY))
        elif text := part.text(null_is_text=key in _NULL_IS_TEXT):
            self.settings[key] = Setting(text, part.where, key, part.source.folder)
            if key in self.shape.secrets:
                part.source.warn_if_exposed()

    def _advice(self, key: str) -> str:
        near = get_close_matches(key.lower().replace("-", "_"), self.shape.keys, n=1)
        if near:
            self._reported.add(near[0].removesuffix(FILE_KEY))
            return f"did you mean {quoted(near[0])}?"
        home = next((name for name, shape in SECTIONS.items() if key in shape.keys), None)
        return f"it belongs into {home}" if home else f"known here: {', '.join(self.shape.keys)}"

    def overlay(self, environ: Mapping[str, str]) -> None:
        """Lay the environment over the file; a secret replaces both twins of the file."""
        self._takes_variables = True
        given = {key: name for key, name in self.shape.variables.items() if environ.get(name)}
        for key in given:
            self.settings.pop(_twin(key), None)
        for key, name in given.items():
            self.settings[key] = Setting(environ[name], name, name, Path())

    def override(self, key: str, flag: str, text: str | None) -> None:
        """Lay a value of the command line over everything else."""
        if text:
            self.settings[key] = Setting(text, flag, flag, Path())

    def is_set(self, key: str) -> bool:
        """Whether the key has a value, a secret by either twin."""
        return key in self.settings or (key in self.shape.secrets and _twin(key) in self.settings)

    def is_reported(self, key: str) -> bool:
        """Whether the user is told already why the key has no value."""
        return key in self._reported

    def where(self, key: str) -> str:
        """How messages name a key, set or not."""
        if key in self.settings:
            return self.settings[key].where
        return f"{self.place}.{key}" if self.place else self.shape.variables[key]

    def require(self, *keys: str, advice: str = "") -> None:
        """Report each of the keys that is not set, a secret by neither twin."""
        for key in keys:
            if not self.is_set(key) and not self.is_reported(key):
                self.report.problem(self.where(key), f"missing{self._alternatives(key)}{advice}")

    def _alternatives(self, key: str) -> str:
        variables = self.shape.variables if self._takes_variables else {}
        names = [_twin(key)] if self.place and key in self.shape.secrets else []
        if self.place and key in variables:
            names.append(variables[key])
        elif key in self.shape.secrets and _twin(key) in variables:
            names.append(variables[_twin(key)])
        return f" ({' or '.join(names)} would do too)" if names else ""

    def value(self, key: str, parse: Callable[[str], T]) -> T | None:
        """The key's value as `parse` gives it; None where it is not set or `parse` raises ValueError."""
        setting = self.settings.get(key)
        if setting is None:
            return None
        try:
            return parse(_single_line(setting.text))
        except ValueError as error:
            self.report.problem(setting.where, str(error))
            return None

    def text(self, key: str) -> str:
        """The key's text; empty where it is not set."""
        return self.value(key, str) or ""

    def path(self, key: str) -> Path | None:
        """The key's value as a path, `~` and relative ones resolved."""
        text = self.text(key)
        return expand(text, folder=self.settings[key].folder, home=self._home) if text else None

    def readable_file(self, key: str) -> Path | None:
        """The key's value as the path of a file that is there."""
        content = self._content(key)
        return None if content is None else content[0]

    def secret(self, key: str, check: Callable[[str], object] = str) -> Secret | None:
        """The secret, given itself or by its file; `check` raises ValueError where it cannot be one."""
        direct, by_file = self.settings.get(key), self.settings.get(_twin(key))
        if direct and by_file:
            self.report.problem(by_file.where, f"{direct.name} is given too, keep one of the two")
            return None
        setting = direct or by_file
        text = direct.text if direct else self._secret_of_file(_twin(key))
        if setting is None or text is None:
            return None
        try:
            text.encode()
            check(text)
        except UnicodeEncodeError:
            self.report.problem(setting.where, "holds what is no text")
        except ValueError as error:
            self.report.problem(setting.where, str(error))
        return Secret(text)

    def _secret_of_file(self, key: str) -> str | None:
        found = self._content(key)
        if found is None:
            return None
        path, content = found
        try:
            text = content.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            self.report.problem(self.where(key), f"{path}: not UTF-8 text")
            return None
        if content.is_exposed:
            self.report.warnings.append(exposed_warning(path))
        text = text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")
        if not text:
            self.report.problem(self.where(key), f"{path}: empty")
        return text or None

    def _content(self, key: str) -> tuple[Path, FileContent] | None:
        path = self.path(key)
        if path is None:
            return None
        try:
            return path, read_file(path)
        except (OSError, ValueError) as error:
            self.report.problem(self.where(key), f"{path}: {reason(error)}")
            return None


def _twin(key: str) -> str:
    return key.removesuffix(FILE_KEY) if key.endswith(FILE_KEY) else key + FILE_KEY


def _single_line(text: str) -> str:
    if any(category(character) in _UNSEEN_CATEGORIES for character in text):
        raise ValueError("holds a line break or a control character")
    return text
