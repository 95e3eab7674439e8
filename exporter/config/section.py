"""One mapping of the file with the environment laid over it: strict about keys, complete in what it reports."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .files import expand, exposed_warning, read_file
from .model import Secret
from .node import ConfigNode, Source
from .schema import FILE_KEY, SECTIONS, Kind, Parser, Shape
from .values import check_text, nearest, quoted, single_line


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that is set. `name`: the key or the variable alone; `folder`: what a path in it is relative to."""

    text: str
    where: str
    name: str
    folder: Path = Path()


class Section:
    """The settings of one mapping and their conversion, with a problem in the report for each that cannot be had.

    part: the piece of the file, None where the file does not have it.
    environ: where its variables are looked up, None where they do not count.
    place: how messages name the mapping; empty where the file does not have it.
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
        if part:
            if not part.is_unset and not isinstance(part.node, yaml.MappingNode):
                self._reported.update(shape)
            for key, value in part.entries():
                self._take(key, value)
        if environ:
            self._overlay(environ)

    def subsection(self, key: str, environ: Mapping[str, str]) -> "Section":
        """The section under a key with its variables; without settings where neither is there."""
        return Section(SECTIONS[key], self.source, self.parts.get(key), environ)

    def _take(self, key: str, part: ConfigNode) -> None:
        if key not in self.shape:
            self.source.problem(part.where, f"unknown key, {self._advice(key)}")
        elif self.shape[key].kind is Kind.NESTED:
            self.parts[key] = part
        else:
            text = part.text(null_is_text=self.shape[key].null_is_text)
            if text is None:
                self._reported.add(key.removesuffix(FILE_KEY))
            elif text:
                self.settings[key] = Setting(text, part.where, key, self.source.folder)
                if self.shape[key].kind is Kind.SECRET:
                    self.source.warn_if_exposed()

    def _advice(self, key: str) -> str:
        near = nearest(key.lower().replace("-", "_"), self.shape)
        if near:
            self._reported.add(near.removesuffix(FILE_KEY))
            return f"did you mean {quoted(near)}?"
        home = next((name for name, shape in SECTIONS.items() if key in shape), None)
        return f"it belongs into {home}" if home else f"known here: {', '.join(self.shape)}"

    def _overlay(self, environ: Mapping[str, str]) -> None:
        """Lay the environment over the file; a secret replaces both twins of the file."""
        given = {key: spec.variable for key, spec in self.shape.items() if environ.get(spec.variable)}
        for key in given:
            self.settings.pop(key.removesuffix(FILE_KEY), None)
            self.settings.pop(key + FILE_KEY, None)
        for key, name in given.items():
            self.override(key, name, environ[name])

    def override(self, key: str, name: str, text: str | None) -> None:
        """Lay a value of the command line or another place, if there is one, over everything else."""
        if text:
            self.settings[key] = Setting(text, name, name)

    def is_set(self, key: str) -> bool:
        """Whether the key has a value, a secret by either twin."""
        return key in self.settings or key + FILE_KEY in self.settings

    def is_missing(self, key: str) -> bool:
        """Whether the key has no value, and the user is not told already why."""
        return not self.is_set(key) and key not in self._reported

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
        """The other ways to give a key: its twin and its variable, or its twin's variable where there is no file."""
        twin = self.shape.get(key + FILE_KEY)
        if self.place:
            names = [key + FILE_KEY if twin else "", self.shape[key].variable if self._takes_variables else ""]
        else:
            names = [twin.variable if twin else ""]
        ways = " or ".join(filter(None, names))
        return f" ({ways} would do too)" if ways else ""

    def values(self, **parsers: Parser) -> dict[str, Any]:
        """The values that are set and right; `parsers` instead of those of the table."""
        wanted = [key for key, spec in self.shape.items() if spec.kind is not Kind.SECRET_FILE]
        found = {key: self.value(key, parsers.get(key)) for key in wanted}
        return {key: value for key, value in found.items() if value is not None}

    def value(self, key: str, parse: Parser | None = None) -> Any:  # noqa: ANN401
        """The key's value; None where it is not set, or wrong, which is a problem."""
        setting, by_file = self.settings.get(key), self.settings.get(key + FILE_KEY)
        if setting and by_file:
            self.source.problem(by_file.where, f"{setting.name} is given too, keep one of the two")
            return None
        given = setting or by_file
        if given is None:
            return None
        spec = self.shape[key]
        parse = parse or spec.parse
        try:
            if spec.kind is Kind.SECRET:
                text = check_text(given.text if setting else self._secret_of_file(given))
                parse(text)
                return Secret(text)
            return parse(self._path(given) if spec.kind is Kind.PATH else single_line(given.text))
        except ValueError as error:
            self.source.problem(given.where, str(error))
            return None

    def _path(self, setting: Setting) -> Path:
        return expand(single_line(setting.text), folder=setting.folder, home=self.source.home)

    def _secret_of_file(self, setting: Setting) -> str:
        path = self._path(setting)
        content = read_file(path)
        try:
            text = content.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError(f"{path}: not UTF-8 text") from None
        if content.is_exposed:
            self.source.warnings.append(exposed_warning(path))
        text = re.sub(r"\r?\n\Z", "", text)
        if not text:
            raise ValueError(f"{path}: empty")
        return text
