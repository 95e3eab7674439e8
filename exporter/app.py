"""The running exporter: everything that `serve` and `demo` put together, and nothing else does."""

from typing import Self

from prometheus_client import CollectorRegistry

from .clock import Clock
from .config import Config
from .locations import is_configured
from .metrics.collector import CurrentState
from .metrics.endpoint import MetricsEndpoint, Steady
from .metrics.telemetry import Telemetry
from .process import return_large_buffers
from .refresh.ownership import Ownership
from .refresh.refresher import LoginRefresher, Refresher
from .routes import Pages
from .storage.snapshots import SnapshotStore
from .storage.state import StateFile
from .web.auth import WebConfig
from .web.server import Server


class Service:
    """An exporter that is bound to its address and ready to start. Raises ListenError where it cannot be."""

    def __init__(
        self,
        config: Config,
        state: StateFile,
        clock: Clock,
        *,
        web_config: WebConfig | None = None,
        telemetry_path: str = "/metrics",
    ) -> None:
        return_large_buffers()
        self._state = state
        self.store = SnapshotStore(
            state,
            config.exporter.window,
            lambda key: any(is_configured(login, key) for login in config.logins),
            lambda key: next((str(login.zone) for login in config.logins if is_configured(login, key)), None),
        )
        telemetry = Telemetry()
        ownership = Ownership(config.logins)
        self.refresher = Refresher(
            [
                LoginRefresher(
                    index,
                    login,
                    config.exporter,
                    store=self.store,
                    state=state,
                    ownership=ownership,
                    counters=telemetry.of_login(login.name),
                    clock=clock,
                )
                for index, login in enumerate(config.logins)
            ]
        )
        self.registry: CollectorRegistry = telemetry.registry
        self.registry.register(
            CurrentState(lambda: self.store.snapshot, self.refresher.statuses, lambda: self.store.backfill_needed)
        )
        metrics = MetricsEndpoint(
            lambda: self.store.snapshot,
            telemetry.process,
            config.exporter.window,
            clock,
            steady=Steady(self.registry, lambda: (telemetry.version, self.store.version, self.refresher.statuses())),
        )
        pages = Pages(
            metrics=metrics,
            telemetry_path=telemetry_path,
            snapshot=lambda: self.store.snapshot,
            statuses=self.refresher.statuses,
            backfill_needed=lambda: self.store.backfill_needed,
            is_alive=lambda: self.refresher.is_alive,
            clock=clock,
        )
        self.server = Server(config.exporter.listen_address, pages, web_config)

    def start(self) -> Self:
        """Serve what is known at once, and refresh it."""
        self.refresher.start()
        self.server.start()
        return self

    def stop(self) -> None:
        """Stop serving. Refreshes end with the clock; what they have not written by then is fetched again."""
        self.server.stop()
