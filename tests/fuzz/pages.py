"""What the pages of an exporter show, compared with the truth."""

from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from exporter.metrics.endpoint import MetricsEndpoint
from exporter.routes import Pages
from exporter.web.types import Request

from ..support.clocks import ManualClock
from ..support.exporter import Exporter
from ..support.services import Labels, series
from ..support.truth import Expected, by_end

_ROUNDING = 0.0201  # kWh: a direction derived from NET is only as exact as three rounded channels


def shown(exporter: Exporter, clock: ManualClock, window: int) -> Expected:
    """Return the samples with timestamps; the status page must be there too."""
    metrics = MetricsEndpoint(
        exporter.store, exporter.refresher, exporter.ownership, exporter.telemetry, window=window, clock=clock
    )
    pages = Pages(metrics, "/metrics", exporter.store, exporter.refresher, clock)
    page, status_page = (pages(Request("GET", path, {}, {})) for path in ("/metrics", "/"))
    assert (page.status, status_page.status) == (200, 200)
    found: defaultdict[Labels, list[tuple[int, float]]] = defaultdict(list)
    for family in text_string_to_metric_families(page.body.decode()):
        for sample in family.samples:
            if sample.timestamp is not None:
                labels = {name: value for name, value in sample.labels.items() if value}  # as databases do
                found[series(sample.name, **labels)].append((round(float(sample.timestamp) * 1000), sample.value))
    return by_end(found)


def wrong_values(stored: Expected, truth: Expected) -> Iterator[str]:
    """Yield each value that no meter had at that time.

    Zeros of rate periods are true wherever another period has the energy, shown or not.
    """
    possible: defaultdict[tuple[str, int], set[float]] = defaultdict(set)
    for labels, values in truth.items():
        name = dict(labels)["__name__"]
        for end, value in values.items():
            possible[name, end].add(value)
            if "period" in dict(labels):
                possible[name, end].add(0.0)
    for labels, values in stored.items():
        name = dict(labels)["__name__"]
        for end, value in values.items():
            if not any(abs(value - each) <= _ROUNDING for each in possible[name, end]):
                yield f"{labels} at {end}: {value}, not {possible[name, end]}"
