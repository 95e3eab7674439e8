"""A /metrics endpoint for a snapshot that a test sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.intervals.model import LocationKey, Snapshot
from exporter.metrics.collector import CurrentState
from exporter.metrics.endpoint import MetricsEndpoint
from exporter.metrics.telemetry import LoginTelemetry, Telemetry
from exporter.refresh.status import LoginStatus
from exporter.web.types import Request, Response

from .clocks import ManualClock
from .snapshots import MIDNIGHT, SOLAR

WINDOW = 7 * 86400


@dataclass
class Exposition:
    """An endpoint whose snapshot, statuses and clock a test sets."""

    snapshot: Snapshot = SOLAR
    statuses: dict[str, LoginStatus] = field(default_factory=lambda: {"farm": LoginStatus()})
    backfill_needed: dict[LocationKey, int] = field(default_factory=dict)
    window: int = WINDOW
    clock: ManualClock = field(default_factory=lambda: ManualClock(MIDNIGHT))

    def __post_init__(self) -> None:
        telemetry = Telemetry()
        self.login = LoginTelemetry(telemetry, "farm")
        telemetry.registry.register(
            CurrentState(lambda: self.snapshot, lambda: self.statuses, lambda: self.backfill_needed),
        )
        self.endpoint = MetricsEndpoint(
            lambda: self.snapshot,
            telemetry.process,
            self.window,
            self.clock,
            steady=telemetry.registry,
            version=lambda: (telemetry.version, self.snapshot, dict(self.statuses), dict(self.backfill_needed)),
        )

    def get(self, query: Mapping[str, list[str]] | None = None, **headers: str) -> Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.endpoint(Request("GET", "/metrics", query or {}, names))

    def text(self, *, collect: str = "", name: str = "") -> str:
        query = {key: [value] for key, value in (("collect[]", collect), ("name[]", name)) if value}
        return self.get(query).body.decode()

    def lines(self, start: str) -> list[str]:
        """Return the lines of the page that begin with `start`."""
        return [line for line in self.text().splitlines() if line.startswith(start)]
