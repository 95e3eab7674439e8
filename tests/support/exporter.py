"""The real exporter with a clock that tests advance."""

from collections.abc import Callable
from pathlib import Path

from exporter import app
from exporter.config import Config, ExporterConfig, Login
from exporter.errors import Reason
from exporter.intervals.model import Location, LocationKey
from exporter.metrics.collector import CurrentState
from exporter.metrics.scope import Scope
from exporter.refresh.refresher import LoginRefresher
from exporter.refresh.status import LoginStatus
from exporter.storage.state import StateFile

from .clocks import ManualClock
from .worlds import DAY

StartExporter = Callable[..., "Exporter"]


class Exporter(app.Exporter):
    """The real exporter without its HTTP server.

    A second one on the same folder acts as after a restart.
    """

    def __init__(
        self,
        clock: ManualClock,
        *logins: Login,
        folder: Path | None = None,
        window: int = 7 * DAY,
        interval: int = 3600,
    ) -> None:
        config = Config(logins, ExporterConfig(refresh_interval=interval, window=window))
        super().__init__(config, StateFile(folder), clock)

    @property
    def logins(self) -> tuple[LoginRefresher, ...]:
        return self.refresher.logins

    def refresh(self, login: int = 0) -> float:
        """Refresh once; return the seconds until the next refresh."""
        return self.logins[login].refresh()

    def refresh_all(self) -> None:
        for login in self.logins:
            login.refresh()

    @property
    def status(self) -> LoginStatus:
        """The status of the first login."""
        return self.logins[0].status

    @property
    def locations(self) -> dict[LocationKey, Location]:
        return dict(self.store.snapshot.locations)

    def location(self, number: str = "70001") -> Location:
        return next(location for key, location in self.locations.items() if key.location == number)

    def metric(self, name: str, /, **labels: str) -> float | None:
        scope = Scope((), self.ownership.reader)
        state = CurrentState(self.store, self.refresher).collect(scope)
        samples = (sample for each in (*self.telemetry.collect((), scope), *state) for sample in each.samples)
        return next((sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)), None)

    def failures(self, login: str = "coop") -> dict[str, float]:
        """Return how many refreshes failed by reason, without reasons that did not occur."""
        counts = {each: self.metric("smarthub_refresh_failures_total", login=login, reason=each) for each in Reason}
        assert None not in counts.values()
        return {str(reason): count for reason, count in counts.items() if count}

    def close(self) -> None:
        for login in self.logins:
            login._client.close()
        self.state.close()
