"""One mapping of the file with the environment laid over it: strict about keys, complete in what it reports."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files import expand, read_file
from .model import Secret
from .node import ConfigNode, Source
from .schema import FILE_KEY, SECTIONS, Key, Shape
from .values import check_text, nearest, quoted, single_line


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that is set.

    is_file: the text names a file that holds the secret. folder: what a path in it is relative to.
    """

    text: str
    where: str
    is_file: bool = False
    folder: Path = Path()


class Section:
    """The settings of one mapping and their conversion, with a problem in the report for each that cannot be had.

    part: the piece of the file, None where the file does not have it.
    environ: where its variables are looked up, None where they do not count.
    place: how messages name the mapping; empty where the file does not have it.
    settings: what is set, a secret by its own key also where a file holds it.
    """

    def __init__(
        self, shape: Shape, source: Source, part: ConfigNode | None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.shape = shape
        self.source = source
        self.place = part.where if part else ""
        self.settings: dict[str, Setting] = {}
        self.parts: dict[str, ConfigNode] = {}
        self._reported: set[str] = set()
        self._takes_variables = environ is not None
        entries = part.entries() if part else {}
        if entries is None:
            self._reported.update(shape)
        for key, value in (entries or {}).items():
            self._take(key, value)
        self._overlay(environ or {})

    def subsection(self, key: str, environ: Mapping[str, str]) -> "Section":
        """The section under a key with its variables; without settings where neither is there."""
        return Section(SECTIONS[key], self.source, self.parts.get(key), environ)

    def _take(self, key: str, part: ConfigNode) -> None:
        spec = self.shape.get(key)
        if spec is None:
            self.source.problem(part.where, f"unknown key, {self._advice(key)}")
        elif spec.kind == "nested":
            self.parts[key] = part
        else:
            text = part.text(null_is_text=spec.null_is_text)
            if text is None:
                self._reported.add(spec.secret or key)
            elif text:
                self._set(key, text, part.where, self.source.folder)
                if spec.kind == "secret" and self.source.is_exposed:
                    self.source.warn_exposed(self.source.name)

    def _set(self, key: str, text: str, where: str, folder: Path = Path()) -> None:
        secret = self.shape[key].secret
        setting = Setting(text, where, bool(secret), folder)
        first = self.settings.setdefault(secret or key, setting)
        if first is not setting:
            self.source.problem(where, f"conflicts with {first.where}; remove one of them")

    def _advice(self, key: str) -> str:
        near = nearest(key.lower().replace("-", "_"), self.shape)
        if near:
            self._reported.add(self.shape[near].secret or near)
            return f"did you mean {quoted(near)}?"
        home = next((name for name, shape in SECTIONS.items() if key in shape), None)
        return f"it belongs into {home}" if home else f"known here: {', '.join(self.shape)}"

    def _overlay(self, environ: Mapping[str, str]) -> None:
        """Lay the environment over the file; a secret replaces both ways to give it."""
        given = {key: spec for key, spec in self.shape.items() if environ.get(spec.variable)}
        for key, spec in given.items():
            self.settings.pop(spec.secret or key, None)
        for key, spec in given.items():
            self._set(key, environ[spec.variable], spec.variable)

    def override(self, key: str, name: str, text: str | None) -> None:
        """Lay a value of the command line or another place, if there is one, over everything else."""
        if text:
            self.settings[key] = Setting(text, name)

    def is_missing(self, key: str) -> bool:
        """Whether the key has no value, and the user is not told already why."""
        return key not in self.settings and key not in self._reported

    def where(self, key: str) -> str:
        """How messages name a key, set or not."""
        if key in self.settings:
            return self.settings[key].where
        return f"{self.place}.{key}" if self.place else self.shape[key].variable

    def problem(self, key: str, message: str) -> None:
        """Report that a key is a reason not to start."""
        self.source.problem(self.where(key), message)

    def warning(self, key: str, message: str) -> None:
        """Report what the user should know of a key."""
        self.source.warnings.append(f"{self.where(key)}: {message}")

    def require(self, *keys: str, advice: str = "") -> None:
        """Report each of the keys that is missing."""
        for key in filter(self.is_missing, keys):
            self.problem(key, f"missing{self._alternatives(key)}{advice}")

    def _alternatives(self, key: str) -> str:
        """The other ways to give a key: in a file of its own, or by variables, which are all where there is no file."""
        keys = [each for each in (key, key + FILE_KEY) if each in self.shape]
        variables = [self.shape[each].variable for each in keys if self._takes_variables]
        _, *others = filter(None, [*keys, *variables] if self.place else variables)
        return f" (or set {' or '.join(others)})" if others else ""

    def values(self) -> dict[str, Any]:
        """The values that are set; each that is wrong is left out and reported."""
        values = {}
        for key, setting in self.settings.items():
            try:
                values[key] = self._value(self.shape[key], setting)
            except ValueError as error:
                self.source.problem(setting.where, str(error))
        return values

    def _value(self, spec: Key, setting: Setting) -> Any:  # noqa: ANN401
        if spec.kind == "secret":
            text = self._secret_of_file(setting) if setting.is_file else check_text(setting.text)
            spec.parse(text)
            return Secret(text)
        return spec.parse(self._path(setting) if spec.kind == "path" else single_line(setting.text))

    def _path(self, setting: Setting) -> Path:
        return expand(single_line(setting.text), folder=setting.folder, home=self.source.home)

    def _secret_of_file(self, setting: Setting) -> str:
        path = self._path(setting)
        content = read_file(path)
        if content.is_exposed:
            self.source.warn_exposed(path)
        try:
            text = content.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError(f"{path}: not UTF-8 text") from None
        text = re.sub(r"\r?\n\Z", "", text)
        if not text:
            raise ValueError(f"{path}: empty")
        return text
