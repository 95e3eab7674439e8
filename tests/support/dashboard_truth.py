"""What the dashboards must show, and how to run their queries."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import fsum, isnan
from typing import Self
from zoneinfo import ZoneInfo

import pytest
import yaml

from .dashboards import GRAFANA, Panel, TimeRange, find
from .services import Database, Labels
from .truth import Expected

Points = dict[float, float]
"""Values by time."""
ZONE = ZoneInfo("America/New_York")
NOW = datetime(2025, 3, 20, 10, 7, 13, tzinfo=ZONE)
BEGAN = datetime(2024, 2, 1, tzinfo=ZONE)
LAG = 30 * 3600
SOLAR, BARN, FINE, HALF = "80002", "80003", "80005", "80006"
STEPS = {SOLAR: 900, BARN: 3600, FINE: 300, HALF: 1800}
COMPOSE = yaml.safe_load((GRAFANA.parent / "docker-compose.yml").read_text(encoding="utf-8"))
(LIMIT,) = (
    flag for flag in COMPOSE["services"]["victoriametrics"]["command"] if flag.startswith("-search.maxPointsPerTime")
)
"""The flag for subqueries of a year, which exceed the default limit. The
version in Debian has a single limit for subqueries and results."""


@dataclass
class Truth:
    """The true values by family and meter."""

    values: dict[tuple[str, str], dict[int, float]]

    def __post_init__(self) -> None:
        # Sorted once, for thousands of lookups.
        self._ends = {key: sorted(values) for key, values in self.values.items()}

    @classmethod
    def of_series(cls, expected: Expected) -> Self:
        """Build it from what a database must hold.

        A rate period becomes part of the family's name.
        """
        values = {}
        for labels, found in expected.items():
            known = dict(labels)
            values[" ".join(filter(None, (known["__name__"], known.get("period")))), known.get("meter", "")] = found
        return cls(values)

    def of(self, name: str, number: str) -> dict[int, float]:
        """Return the values of a family by the end of their interval or day."""
        return self.values[name, number]

    def within(self, name: str, number: str, start: float, end: float) -> dict[int, float]:
        """Return the values whose interval or day ends in (start, end]."""
        values, ends = self.of(name, number), self._ends[name, number]
        return {each: values[each] for each in ends[bisect_right(ends, start) : bisect_right(ends, end)]}

    def total(self, name: str, number: str, start: float, end: float) -> float:
        """Return the sum of the values in (start, end]."""
        return fsum(self.within(name, number, start, end).values())

    def mean(self, name: str, number: str, start: float, end: float) -> float:
        """Return the mean of the values in (start, end]."""
        found = self.within(name, number, start, end)
        return fsum(found.values()) / len(found)


def last(days: float, now: datetime = NOW, zone: ZoneInfo = ZONE) -> TimeRange:
    """Return the range of the last `days` days at `now`, in a browser's time zone."""
    return TimeRange(now.timestamp() - days * 86400, now.timestamp(), zone)


def run(
    database: Database, panel: Panel, letter: str, shown: TimeRange, variables: Mapping[str, str]
) -> dict[Labels, Points]:
    """Run a query of a panel and return its points by labels.

    Like Grafana, leave out NaN.
    """
    query = panel.query(letter, shown, variables)
    if query.instant:
        at_once = database.query(query.expression, query.end)
        answers = {labels: [(round(query.end * 1000), value)] for labels, value in at_once.items()}
    else:
        answers = database.query_range(query.expression, query.start, query.end, f"{query.step}s")
    found: dict[Labels, Points] = {}
    for labels, points in answers.items():
        # Some functions keep the name in VictoriaMetrics and drop it in Prometheus. No legend shows it.
        key = tuple(each for each in labels if each[0] != "__name__")
        assert key not in found, f"{panel} {letter}: two series for {key}"
        found[key] = {stamp / 1000: value for stamp, value in points if not isnan(value)}
    return {key: points for key, points in found.items() if points}


def ask(
    database: Database, title: str | Panel, letter: str, shown: TimeRange, by: str = "meter", **variables: str
) -> dict[str, Points]:
    """Run a query of a panel and return its points by the value of one label."""
    panel = find(title) if isinstance(title, str) else title
    found = run(database, panel, letter, shown, variables)
    by_label = {dict(labels).get(by, ""): points for labels, points in found.items()}
    assert len(by_label) == len(found)
    return by_label


def value(found: Mapping[str, Points], key: str = "") -> float:
    """Return the only value of an instant query."""
    (only,) = found[key].values()
    return only


def whole_days(truth: Truth, name: str, number: str, shown: TimeRange) -> dict[str, float]:
    """Return the totals by date of the local days with a bar in the range.

    A bar stands 22 hours before the end of its day, where every US zone has the same date as UTC.
    """
    found = {}
    for end, total in truth.of(name, number).items():
        bar = end - 22 * 3600
        if shown.start <= bar <= shown.end:
            found[f"{datetime.fromtimestamp(end - 1, ZONE):%Y-%m-%d}"] = total
    return found


def by_date(points: Points) -> dict[str, float]:
    """Turn points into bars by date in UTC, as the transformation "Format time" does."""
    found = {f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}": value for moment, value in points.items()}
    assert len(found) == len(points)
    return found


def close(wanted: object) -> object:
    """Return a value that equals `wanted` up to rounding errors of sums."""
    return pytest.approx(wanted, rel=1e-9, abs=1e-6)
