"""A /metrics endpoint for a snapshot that a test sets."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

from exporter.intervals.model import LocationKey, Snapshot
from exporter.metrics.endpoint import MetricsEndpoint
from exporter.metrics.telemetry import LoginTelemetry, Telemetry
from exporter.refresh.ownership import Ownership
from exporter.refresh.refresher import Refresher
from exporter.refresh.status import LoginStatus
from exporter.storage.snapshots import SnapshotStore
from exporter.storage.state import StateFile
from exporter.web.types import Request, Response

from .clocks import ManualClock
from .snapshots import MIDNIGHT, SOLAR

WINDOW = 7 * 86400


def store_of(
    snapshot: Snapshot | None = None, backfill_needed: Mapping[LocationKey, int] | None = None
) -> SnapshotStore:
    """Return a store that knows this, without a state to save it to."""
    with closing(StateFile(None)) as state:
        store = SnapshotStore(state, WINDOW, lambda _: None)
    store.snapshot, store.backfill_needed = snapshot or Snapshot(), dict(backfill_needed or {})
    return store


class GivenStatuses(Refresher):
    """Refreshes nothing; the statuses of its logins are set by a test."""

    def __init__(self, given: Mapping[str, LoginStatus]) -> None:
        super().__init__(())
        self.given = given

    def statuses(self) -> dict[str, LoginStatus]:
        return dict(self.given)


@dataclass
class Exposition:
    """An endpoint whose snapshot, statuses and clock a test sets."""

    snapshot: Snapshot = SOLAR
    statuses: dict[str, LoginStatus] = field(default_factory=lambda: {"farm": LoginStatus()})
    backfill_needed: dict[LocationKey, int] = field(default_factory=dict)
    ownership: Ownership = field(default_factory=lambda: Ownership(()))
    window: int = WINDOW
    clock: ManualClock = field(default_factory=lambda: ManualClock(MIDNIGHT))

    def __post_init__(self) -> None:
        telemetry = Telemetry()
        self.login = LoginTelemetry(telemetry, "farm")
        self.store, refresher = store_of(self.snapshot, self.backfill_needed), GivenStatuses(self.statuses)
        self.endpoint = MetricsEndpoint(
            self.store, refresher, self.ownership, telemetry, window=self.window, clock=self.clock
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
