"""The dashboards as Grafana reads them: panels, time ranges, steps and queries.

Follows Grafana's own sources (PanelTimeRange, the Prometheus data source's models/query.go, rangeutil), versions 11 to
13. The time zone is the dashboard's, which the tests choose.
"""

import json
import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml

Json = dict[str, Any]

GRAFANA: Final = Path(__file__).parents[2] / "grafana"
DASHBOARDS: Final = sorted((GRAFANA / "dashboards").glob("*.json"))
RULES: Final[dict[str, Json]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((GRAFANA / "alerts" / "smarthub.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
"""The alert rules by name."""

SCRAPE_INTERVAL: Final = 60
_USUAL_WIDTH: Final = 1200
_MOST_POINTS: Final = 11_000
# The steps that Grafana rounds to, each for intervals below a length (rangeutil's roundInterval).
_STEPS: Final = (
    (90, 60),
    (210, 120),
    (450, 300),
    (750, 600),
    (1050, 900),
    (1500, 1200),
    (2700, 1800),
    (5400, 3600),
    (9000, 7200),
    (16200, 10800),
    (32400, 21600),
    (86400, 43200),
    (604800, 86400),
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Start and end in seconds, and the time zone in which Grafana counts months."""

    start: float
    end: float
    zone: ZoneInfo


def _shifted(moment: datetime, shift: str) -> datetime:
    """Return the same wall-clock time a month or year earlier."""
    months = {"1M": 1, "1y": 12}[shift]
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    last = monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last), fold=0)


@dataclass(frozen=True, slots=True)
class Query:
    """A query as Grafana sends it to the database."""

    expression: str
    instant: bool
    start: float
    end: float
    step: int


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of a dashboard."""

    dashboard: str
    json: Json
    constants: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.dashboard}/{self.json['title']}"

    @property
    def targets(self) -> dict[str, Json]:
        """The queries by letter."""
        return {each["refId"]: each for each in self.json["targets"]}

    def of_width(self, pixels: int) -> "Panel":
        """Return the panel at a width in pixels."""
        return replace(self, json={**self.json, "maxDataPoints": pixels})

    def own_range(self, dashboard: TimeRange) -> TimeRange:
        """Apply the panel's `timeFrom` and `timeShift` to a range that ends now."""
        start, end = (datetime.fromtimestamp(each, dashboard.zone) for each in (dashboard.start, dashboard.end))
        if "timeFrom" in self.json:
            assert self.json["timeFrom"] == "now/M", "not used by the dashboards"
            start = end.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
        if "timeShift" in self.json:
            start, end = (_shifted(each, self.json["timeShift"]) for each in (start, end))
        return TimeRange(start.timestamp(), end.timestamp(), dashboard.zone)

    def query(self, letter: str, dashboard: TimeRange, variables: Mapping[str, str] | None = None) -> Query:
        """Return a query for the dashboard's time range.

        Variables that are not given are All.
        """
        target = self.targets[letter]
        panel = self.own_range(dashboard)
        step = self.step(panel)
        length = panel.end - panel.start
        known = {
            "__interval_ms": str(step * 1000),
            "__interval": _duration(step),
            "__rate_interval": f"{max(step + SCRAPE_INTERVAL, 4 * SCRAPE_INTERVAL)}s",
            "__range_s": str(_rounded(length)),
            "__range": f"{_rounded(length)}s",
            # Grafana versions differ in its meaning for panels with their own time range, so those must not use it.
            "__from:date:seconds": str(int(dashboard.start)),
            **dict.fromkeys(("portal", "location", "meter", "login"), ".+"),
            **self.constants,
            **(variables or {}),
        }
        expression = interpolated(target["expr"], known)
        if target["instant"]:
            return Query(expression, instant=True, start=panel.start, end=panel.end, step=step)
        start, end = (self._aligned(moment, panel, step) for moment in (panel.start, panel.end))
        return Query(expression, instant=False, start=start, end=end, step=step)

    def step(self, shown: TimeRange) -> int:
        """Return the step of a graph in seconds, from interval and number of points."""
        least = _seconds(self.json["interval"])
        length = shown.end - shown.start
        calculated = _rounded_step(length / self.json.get("maxDataPoints", _USUAL_WIDTH))
        safe = _rounded_step(length / _MOST_POINTS)
        return max(least, calculated, safe)

    @staticmethod
    def _aligned(moment: float, shown: TimeRange, step: int) -> int:
        offset = datetime.fromtimestamp(shown.end, shown.zone).utcoffset()
        assert offset is not None
        east = int(offset.total_seconds())
        return (int(moment) + east) // step * step - east


def interpolated(text: str, known: Mapping[str, str]) -> str:
    """Replace variables once, as Grafana does; what is not a variable stays, such as the $1 of a regular expression."""
    return re.sub(
        r"\$(?:\{([^}]+)\}|(\w+))", lambda found: known.get((found[1] or found[2]).removesuffix(":raw"), found[0]), text
    )


def _rounded(seconds: float) -> int:
    return int(seconds + 0.5)


def _rounded_step(seconds: float) -> int:
    return next((step for below, step in _STEPS if seconds < below), 604800)


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * _UNITS[duration[-1]]


def _duration(seconds: int) -> str:
    """Return a duration as Grafana writes it: in the largest unit, rounded down."""
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds >= _UNITS[unit])
    return f"{seconds // _UNITS[unit]}{unit}"


def load(path: Path) -> Json:
    """Read a dashboard."""
    loaded: Json = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def boxes(dashboard: Json) -> Iterator[Json]:
    """Yield rows and panels, including those inside collapsed rows."""
    for each in dashboard["panels"]:
        yield each
        yield from each.get("panels", ())


def constants(dashboard: Json) -> dict[str, str]:
    """Return the constant variables of a dashboard: parts of queries that several panels share."""
    return {each["name"]: each["query"] for each in dashboard["templating"]["list"] if each["type"] == "constant"}


def panels(path: Path) -> list[Panel]:
    """Return the panels of a dashboard without its rows."""
    dashboard = load(path)
    shared = constants(dashboard)
    return [Panel(path.stem, each, shared) for each in boxes(dashboard) if each["type"] != "row"]


def all_panels() -> list[Panel]:
    """Return the panels of all dashboards."""
    return [panel for path in DASHBOARDS for panel in panels(path)]


def find(title: str) -> Panel:
    """Return the panel with a title."""
    (found,) = (each for each in all_panels() if each.json["title"] == title)
    return found
