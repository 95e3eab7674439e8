"""One mapping of the file, overridden by the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files import expand, read_secret_file
from .model import Secret
from .node import ConfigNode, Source
from .schema import FILE_KEY, FORMER_SECTIONS, SECTIONS, TOP, Key, Shape
from .values import check_text, nearest, quoted, single_line


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that is set.

    where: The place of the value as messages name it.
    is_file: The text is the name of a file that contains the secret.
    folder: The directory that a path is relative to.
    """

    text: str
    where: str
    is_file: bool = False
    folder: Path = Path()


class Section:
    """The settings of one mapping; each problem is reported to the source.

    part: The piece of the file, None if the file does not have it.
    environ: The environment, None if its variables do not apply.
    place: The mapping as messages name it; empty if the file does not have it.
    has_former_name: Whether the file calls it, or the list it is in, by its former name.
    settings: The values that are set; a secret has its own key here, even if a file contains it.
    """

    def __init__(
        self, shape: Shape, source: Source, part: ConfigNode | None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.shape = shape
        self.source = source
        self.place = part.where if part else ""
        self.has_former_name = part is not None and part.path.startswith(tuple(FORMER_SECTIONS))
        self.settings: dict[str, Setting] = {}
        self.parts: dict[str, ConfigNode] = {}
        self._reported: set[str] = set()
        self._takes_variables = environ is not None
        for key, spec in shape.items():
            if environ and (text := environ.get(spec.variable)):
                self._set(key, text, spec.variable)
        self._overridden = set(self.settings)
        entries = part.entries() if part else {}
        if entries is None:
            self._reported.update(shape)
        for key, value in (entries or {}).items():
            self._take(key, value)

    def subsection(self, key: str, environ: Mapping[str, str]) -> "Section":
        """Return the section under a key, overridden by its variables; it may be empty."""
        return Section(SECTIONS[key], self.source, self.parts.get(key), environ)

    def _take(self, key: str, part: ConfigNode) -> None:
        if self.shape is TOP and key in FORMER_SECTIONS:
            self._take_former(FORMER_SECTIONS[key], part)
            return
        spec = self.shape.get(key)
        if spec is None:
            self.source.problem(part.where, f"unknown key; {self._advice(key)}")
        elif spec.kind == "nested":
            self._nest(key, part)
        else:
            text = part.text(null_is_text=spec.null_is_text)
            if text is None:
                self._reported.add(spec.secret or key)
            elif text:
                if (spec.secret or key) not in self._overridden:
                    self._set(key, text, part.where, self.source.folder)
                if spec.kind == "secret" and self.source.is_exposed:
                    self.source.warn_exposed(self.source.name)

    def _take_former(self, key: str, part: ConfigNode) -> None:
        """Take a section that has its former name in the file."""
        self.source.warnings.append(f"{part.where}: this section is now called {key}; rename it")
        self._nest(key, part)

    def _nest(self, key: str, part: ConfigNode) -> None:
        first = self.parts.setdefault(key, part)
        if first is not part:
            self.source.problem(part.where, f"conflicts with {first.where}; remove one of them")

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
        return f"it belongs in {home}" if home else f"use one of {', '.join(self.shape)}"

    def override(self, key: str, name: str, text: str | None) -> None:
        """Override a key by a value from the command line or an answer.

        An empty text overrides nothing.
        """
        if text:
            self.settings[key] = Setting(text, name)

    def is_missing(self, key: str) -> bool:
        """Whether the key has no value and no problem has been reported for it."""
        return key not in self.settings and key not in self._reported

    def where(self, key: str) -> str:
        """Return the place of a key as messages name it, whether it is set or not."""
        if key in self.settings:
            return self.settings[key].where
        return f"{self.place}.{key}" if self.place else self.shape[key].variable

    def problem(self, key: str, message: str) -> None:
        """Report a problem with a key."""
        self.source.problem(self.where(key), message)

    def warning(self, key: str, message: str) -> None:
        """Report a warning about a key."""
        self.source.warnings.append(f"{self.where(key)}: {message}")

    def require(self, *keys: str, advice: str = "") -> None:
        """Report each key that is missing."""
        for key in filter(self.is_missing, keys):
            self.problem(key, f"missing{self._alternatives(key)}{advice}")

    def _alternatives(self, key: str) -> str:
        """Name the other ways to set a key: its `_file` variant and variables.

        Without a file only the variables are named.
        """
        keys = [each for each in (key, key + FILE_KEY) if each in self.shape]
        variables = [self.shape[each].variable for each in keys if self._takes_variables]
        _, *others = filter(None, [*keys, *variables] if self.place else variables)
        return f" (or set {' or '.join(others)})" if others else ""

    def values(self) -> dict[str, Any]:
        """Return the values that are set; an invalid one is reported and left out."""
        values = {}
        for key, setting in self.settings.items():
            try:
                values[key] = self._value(self.shape[key], setting)
            except ValueError as error:
                self.source.problem(setting.where, str(error))
        return values

    def _value(self, spec: Key, setting: Setting) -> Any:  # noqa: ANN401
        if spec.kind == "secret":

            def read() -> str:
                text = self._secret_of_file(setting) if setting.is_file else check_text(setting.text)
                spec.parse(text)
                return text

            return Secret(read(), read if setting.is_file else None)
        return spec.parse(self._path(setting) if spec.kind == "path" else single_line(setting.text))

    def _path(self, setting: Setting) -> Path:
        return expand(single_line(setting.text), folder=setting.folder, home=self.source.home)

    def _secret_of_file(self, setting: Setting) -> str:
        path = self._path(setting)
        content = read_secret_file(path)
        if content.is_exposed:
            self.source.warn_exposed(path)
        try:
            text = content.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError(f"{path}: not UTF-8 text; save the file as UTF-8") from None
        text = re.sub(r"\r?\n\Z", "", text)
        if not text:
            raise ValueError(f"{path}: the file is empty; write the secret into it")
        if "\n" in text:
            raise ValueError(f"{path}: has more than one line; write only the secret to it")
        return text
