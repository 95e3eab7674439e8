"""Dashboards drawn by Grafana's own libraries in Chromium, from queries to a real database.

The page is `tests/grafana/rendering`. Repeated panels, variables and the width of panels follow Grafana's sources.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .browser import Browser
from .dashboards import DASHBOARDS, Json, Panel, TimeRange, constants, interpolated, load
from .deadlines import DEADLINE
from .services import ROOT, Database, Labels, ServiceError

BUNDLE: Final = ROOT / ".cache" / "grafana-rendering" / "bundle"
"""What `make programs` builds of the page."""
NARROW: Final = 1366
WIDE: Final = 1920

_COLUMNS: Final = 24
_PADDING: Final = 24
_ROW: Final = 38
_HEADER: Final = 46
_ALL: Final = ".+"


@dataclass(frozen=True, slots=True)
class Option:
    """A value of a variable: what the list shows, and what queries get."""

    text: str
    value: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a person reads of each panel, by its title.

    `frames` are the columns with their texts, `values` those of a stat, `visible` the text of the panel, `drawn` the
    texts on its canvas, `misfits` what does not fit, and `nothing` the text of a panel without data.
    """

    panels: dict[str, Json]
    variables: dict[str, list[Option]]

    def column(self, title: str, name: str) -> list[str]:
        """Return the texts of a column of a table or chart."""
        (texts,) = (each["texts"] for frame in self.panels[title]["frames"] for each in frame if each["name"] == name)
        found: list[str] = texts
        return found

    def names(self, title: str) -> list[str]:
        """Return the names of all columns except the time."""
        return [each["name"] for frame in self.panels[title]["frames"] for each in frame if each["name"] != "Time"]


def draw(
    browser: Browser,
    database: Database,
    name: str,
    shown: TimeRange,
    folder: Path,
    *,
    width: int = NARROW,
    chosen: Mapping[str, str] | None = None,
    opened: bool = False,
) -> Drawn:
    """Draw a dashboard and return what a person reads.

    `shown.zone` is the default time zone of that Grafana. `chosen` are values of variables, as regular expressions.
    `opened` opens collapsed rows. The page stays open for a screenshot. Raises ServiceError if a panel fails.
    """
    (path,) = (each for each in DASHBOARDS if each.stem == name)
    dashboard = load(path)
    found, known = variables(database, dashboard, shown, chosen or {})
    page = {
        "title": dashboard["title"],
        "from": shown.start * 1000,
        "to": shown.end * 1000,
        "timeZone": shown.zone.key,
        "variables": [
            {"label": each["label"], "text": _text(found[each["name"]], known[each["name"]])}
            for each in dashboard["templating"]["list"]
            if each["type"] == "query" and each["hide"] == 0
        ],
        "panels": [
            _answered(database, panel, shown, scoped, width, constants(dashboard))
            for panel, scoped in _laid_out(dashboard["panels"], found, known, opened=opened)
        ],
    }
    # Tables below the window are not drawn, so it is as high as the dashboard.
    height = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in page["panels"]) * _ROW + _HEADER
    return Drawn(_read(browser, _page(folder, page), (width, height)), found)


def _page(folder: Path, page: Json) -> Path:
    if not (BUNDLE / "page.js").exists():
        raise ServiceError("the page that draws dashboards is not built; run `make programs`")
    path = folder / "dashboard.html"
    data = json.dumps(page).replace("<", "\\u003c")
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><title>{page["title"]}</title>'
        f'<link rel="stylesheet" href="{(BUNDLE / "page.css").as_uri()}">'
        "<style>body { margin: 0 } * { box-sizing: border-box }</style>"
        f'<div id="root"></div><script>window.DASHBOARD = {data}</script>'
        f'<script src="{(BUNDLE / "page.js").as_uri()}"></script>',
        encoding="utf-8",
    )
    return path


def _read(browser: Browser, path: Path, size: tuple[int, int]) -> dict[str, Json]:
    browser.open(path.as_uri(), size=size)
    deadline = time.monotonic() + DEADLINE
    while (shown := browser.evaluate("window.SHOWN")) is None:
        if time.monotonic() > deadline:
            raise ServiceError(f"{path}: the dashboard was not drawn: {browser.complaints}")
        time.sleep(0.1)
    if shown["errors"]:
        raise ServiceError(f"{path}: {shown['errors']}")
    found: dict[str, Json] = shown["panels"]
    return found


# -- variables


def variables(
    database: Database, dashboard: Json, shown: TimeRange, chosen: Mapping[str, str]
) -> tuple[dict[str, list[Option]], dict[str, str]]:
    """Return the options of the query variables, and the values that queries get."""
    found: dict[str, list[Option]] = {}
    known: dict[str, str] = dict(constants(dashboard))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            name = variable["name"]
            found[name] = _options(database, variable, shown, known)
            first = _ALL if variable["includeAll"] else next((each.value for each in found[name]), "")
            known[name] = chosen.get(name, first)
    return found, known


def _options(database: Database, variable: Json, shown: TimeRange, known: Mapping[str, str]) -> list[Option]:
    query = interpolated(variable["query"]["query"], known)
    if match := re.fullmatch(r"label_values\((.+), (\w+)\)", query):
        found = {Option(each, each) for each in database.label_values(match[2], match[1], shown.start, shown.end)}
    else:
        # Like Grafana, on a single line only.
        (expression,) = re.fullmatch(r"query_result\((.+)\)", query).groups()  # type: ignore[union-attr]
        # JavaScript writes named groups without the P.
        pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<").replace("(?P<=", "(?<="))
        lines = (_line(labels) for labels in database.query(expression, shown.end))
        found = {Option(each["text"], each["value"]) for each in map(pattern.search, lines) if each}
    return sorted(found, key=lambda each: each.text)


def _line(labels: Labels) -> str:
    """Write a series of a result as Grafana does for the regular expression of a variable."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels if name != "__name__") + "} 1 0"


def _text(options: list[Option], value: str) -> str:
    return "All" if value == _ALL else next((each.text for each in options if each.value == value), value)


# -- panels


def _laid_out(
    boxes: list[Json], found: Mapping[str, list[Option]], known: Mapping[str, str], *, opened: bool
) -> Iterator[tuple[Json, dict[str, str]]]:
    """Yield rows and panels where they stand, and the values of variables in each."""
    pushed = 0
    for box in boxes:
        inside = box.get("panels", []) if opened else []
        copies = [
            copy
            for each in [{**box, "collapsed": box.get("collapsed", False) and not opened}, *inside]
            for copy in _repeated(each, found, known)
        ]
        for copy, scoped in copies:
            place = {**copy["gridPos"], "y": copy["gridPos"]["y"] + pushed}
            title = interpolated(
                copy["title"], {name: _text(found.get(name, []), value) for name, value in scoped.items()}
            )
            yield {**copy, "gridPos": place, "title": title}, scoped
        if inside:
            pushed += max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in inside) - box["gridPos"]["y"] - 1
        if "repeat" in box:
            pushed += max(copy["gridPos"]["y"] for copy, _ in copies) - box["gridPos"]["y"]


def _repeated(
    box: Json, found: Mapping[str, list[Option]], known: Mapping[str, str]
) -> Iterator[tuple[Json, dict[str, str]]]:
    """Yield a panel once per value of the variable that it is repeated by, side by side up to maxPerRow."""
    if "repeat" not in box:
        yield box, dict(known)
        return
    name = box["repeat"]
    pattern = known[name]
    values = [each.value for each in found[name] if re.fullmatch(pattern, each.value)]
    beside = min(box["maxPerRow"], len(values))
    width = _COLUMNS // beside
    place = box["gridPos"]
    for index, value in enumerate(values):
        down, right = divmod(index, beside)
        at = {"x": right * width, "y": place["y"] + down * place["h"], "w": width, "h": place["h"]}
        yield {**box, "id": box["id"] * 1000 + index, "gridPos": at}, {**known, name: re.escape(value)}


def _answered(  # noqa: PLR0917
    database: Database,
    box: Json,
    shown: TimeRange,
    known: Mapping[str, str],
    width: int,
    shared: Mapping[str, str],
) -> Json:
    """Return a panel with the results of its queries."""
    if box["type"] == "row":
        return box
    panel = Panel("", box, shared)
    if "maxDataPoints" not in box:
        panel = panel.of_width(int(width / _COLUMNS * box["gridPos"]["w"]) - _PADDING)
    return {
        **json.loads(interpolated(json.dumps(box), {"timezone": known.get("timezone", "")})),
        "queries": [
            _run(database, panel, letter, target, shown, known)
            for letter, target in panel.targets.items()
            if not target.get("hide")
        ],
    }


def _run(  # noqa: PLR0917
    database: Database, panel: Panel, letter: str, target: Json, shown: TimeRange, known: Mapping[str, str]
) -> Json:
    query = panel.query(letter, shown, known)
    if query.instant:
        at_once = database.query(query.expression, query.end)
        series: list[Any] = [
            {"metric": dict(labels), "value": [query.end, str(value)]} for labels, value in at_once.items()
        ]
    else:
        found = database.query_range(query.expression, query.start, query.end, f"{query.step}s")
        series = [
            {"metric": dict(labels), "values": [[stamp / 1000, str(value)] for stamp, value in points]}
            for labels, points in found.items()
        ]
    return {
        "ref": letter,
        "instant": query.instant,
        "step": query.step,
        "legend": target.get("legendFormat"),
        "format": target["format"],
        "series": series,
    }
