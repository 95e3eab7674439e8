"""The running exporter, put together for `serve` and `demo`."""

from functools import partial

from .clock import Clock
from .config import Config
from .locations import configured_zone
from .metrics.endpoint import MetricsEndpoint
from .metrics.telemetry import LoginTelemetry, Telemetry
from .process import return_large_buffers
from .refresh.ownership import Ownership
from .refresh.refresher import LoginRefresher, Refresher
from .routes import Pages, PagesOnceLoaded
from .storage.snapshots import SnapshotStore
from .storage.state import StateFile
from .web.auth import WebConfig
from .web.server import Server


class Exporter:
    """Everything but HTTP: logins, their refreshes, the snapshot and the counters."""

    def __init__(self, config: Config, state: StateFile, clock: Clock) -> None:
        self.state = state
        self.store = SnapshotStore(state, config.exporter.window, partial(configured_zone, config.logins))
        self.telemetry = Telemetry()
        self.ownership = Ownership(config.logins)
        self.refresher = Refresher(
            [
                LoginRefresher(
                    index,
                    login,
                    config.exporter,
                    store=self.store,
                    state=state,
                    ownership=self.ownership,
                    counters=LoginTelemetry(self.telemetry, login.name),
                    clock=clock,
                )
                for index, login in enumerate(config.logins)
            ]
        )


class Service:
    """An exporter that is bound to its address. It answers once it listens, and has data once it is started.

    Raises ListenError if it cannot bind.
    """

    def __init__(
        self, config: Config, clock: Clock, *, web_config: WebConfig | None = None, telemetry_path: str = "/metrics"
    ) -> None:
        return_large_buffers()
        self._config = config
        self._clock = clock
        self._telemetry_path = telemetry_path
        self._pages = PagesOnceLoaded()
        self.server = Server(config.exporter.listen_address, self._pages, web_config)

    def listen(self) -> None:
        """Answer requests: all but health checks wait for `start`, but not for long."""
        self.server.start()

    def start(self, state: StateFile) -> None:
        """Serve the saved data, and start refreshing it."""
        config, clock = self._config, self._clock
        exporter = Exporter(config, state, clock)
        store, refresher = exporter.store, exporter.refresher
        metrics = MetricsEndpoint(
            store, refresher, exporter.ownership, exporter.telemetry, window=config.exporter.window, clock=clock
        )
        refresher.start()
        self._pages.open(Pages(metrics, self._telemetry_path, store, refresher, clock))

    def stop(self) -> None:
        """Stop serving; refreshes stop with the clock."""
        self.server.stop()
