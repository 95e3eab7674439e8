"""What a dashboard must show of a known household, and how a query is asked."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
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
"""Subqueries of a year in steps of five minutes are more than VictoriaMetrics evaluates by default. Debian's has one
limit for them and for what it answers."""


@dataclass
class Truth:
    """What is true of the meters, by family and meter."""

    values: dict[tuple[str, str], dict[int, float]]

    def __post_init__(self) -> None:
        # For the thousands of means that are asked for.
        self._ends = {key: sorted(values) for key, values in self.values.items()}

    @classmethod
    def of_series(cls, expected: Expected) -> Self:
        """The same, from what a database must hold; a rate period is part of a family's name."""
        values = {}
        for labels, found in expected.items():
            known = dict(labels)
            values[" ".join(filter(None, (known["__name__"], known.get("period")))), known["meter"]] = found
        return cls(values)

    def of(self, name: str, number: str) -> dict[int, float]:
        """The values of a family by the end of their interval or day."""
        return self.values[name, number]

    def within(self, name: str, number: str, start: float, end: float) -> dict[int, float]:
        """Those that end in (start, end]."""
        values, ends = self.of(name, number), self._ends[name, number]
        return {each: values[each] for each in ends[bisect_right(ends, start) : bisect_right(ends, end)]}

    def total(self, name: str, number: str, start: float, end: float) -> float:
        """Their sum."""
        return fsum(self.within(name, number, start, end).values())

    def mean(self, name: str, number: str, start: float, end: float) -> float:
        """Their mean."""
        found = self.within(name, number, start, end)
        return fsum(found.values()) / len(found)


def last(days: float, now: datetime = NOW, zone: ZoneInfo = ZONE) -> TimeRange:
    """The dashboard's range "last so many days" at a moment, in a browser's time zone."""
    return TimeRange(now.timestamp() - days * 86400, now.timestamp(), zone)


def run(
    database: Database, panel: Panel, letter: str, shown: TimeRange, variables: Mapping[str, str]
) -> dict[Labels, Points]:
    """What a database answers to a panel; an instant query's answer stands at its moment. Grafana shows no NaN."""
    query = panel.query(letter, shown, variables)
    if query.instant:
        at_once = database.query(query.expression, query.end)
        answers = {labels: [(round(query.end * 1000), value)] for labels, value in at_once.items()}
    else:
        answers = database.query_range(query.expression, query.start, query.end, f"{query.step}s")
    found: dict[Labels, Points] = {}
    for labels, points in answers.items():
        # Prometheus drops the name where VictoriaMetrics keeps it; no legend shows it.
        key = tuple(each for each in labels if each[0] != "__name__")
        assert key not in found, f"{panel} {letter}: two series for {key}"
        found[key] = {stamp / 1000: value for stamp, value in points if not isnan(value)}
    return {key: points for key, points in found.items() if points}


def ask(
    database: Database, title: str | Panel, letter: str, shown: TimeRange, by: str = "meter", **variables: str
) -> dict[str, Points]:
    """What a panel shows, by the value of a label."""
    panel = find(title) if isinstance(title, str) else title
    found = run(database, panel, letter, shown, variables)
    by_label = {dict(labels).get(by, ""): points for labels, points in found.items()}
    assert len(by_label) == len(found)
    return by_label


def value(found: Mapping[str, Points], key: str = "") -> float:
    """The one value of an instant query."""
    (only,) = found[key].values()
    return only


def whole_days(truth: Truth, name: str, number: str, shown: TimeRange) -> dict[str, float]:
    """The totals of the local days whose noon is in the range, by date."""
    found = {}
    for end, total in truth.of(name, number).items():
        noon = end - 12 * 3600
        if shown.start <= noon <= shown.end:
            found[f"{datetime.fromtimestamp(noon, ZONE):%Y-%m-%d}"] = total
    return found


def by_date(points: Points, zone: ZoneInfo = ZONE) -> dict[str, float]:
    """As the transformation Format time makes bars of points, one a date."""
    found = {f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d}": value for moment, value in points.items()}
    assert len(found) == len(points)
    return found


def close(wanted: object) -> object:
    """Equal but for the last bits of sums."""
    return pytest.approx(wanted, rel=1e-9, abs=1e-6)
