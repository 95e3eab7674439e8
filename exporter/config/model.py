"""The configuration as the program uses it: checked, with defaults filled in."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

log = logging.getLogger(__name__)

PLACEHOLDER = "CHANGE-ME"
DEMO_PASSWORD = "correct horse & battery+staple"  # noqa: S105 - of the simulated portal
REAL_PORTALS = ".smarthub.coop"
LOCAL_VICTORIAMETRICS = "http://localhost:8428"
"""The default address of VictoriaMetrics, where one is expected if none is configured."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A password or token that is never printed; `reveal` returns the text.

    read: reads it from its file again and raises ValueError if that fails; None if it is not in a file.
    """

    _text: str
    read: Callable[[], str] | None = field(default=None, compare=False)

    def reveal(self) -> str:
        """Return the text, for the one place that sends it."""
        return self._text

    def reread(self) -> "Secret":
        """Return the secret as its file has it now; as it was if the file cannot be read."""
        try:
            return replace(self, _text=self.read()) if self.read else self
        except ValueError as error:
            log.warning("%s; using the previous secret", error)
            return self

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True)
class PortalAddress:
    """The address of a portal.

    base_url: Scheme, host and port, without a trailing slash.
    label: The value of the `portal` label: `novec` for novec.smarthub.coop, otherwise the host, with its port.
    loopback: The portal runs on this machine (a simulated one), so short refresh intervals do no harm.
    """

    base_url: str
    label: str
    loopback: bool


@dataclass(frozen=True, slots=True)
class LocationChoice:
    """A service location to read.

    account, service_location: None means any.
    name: The user's own name for the location, or empty.
    submeters: The meters that are part of another one, each with the number of that one.
    """

    account: str | None = None
    service_location: str | None = None
    name: str = ""
    submeters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Login:
    """One sign-in to one portal.

    name: The value of the `login` label, unique among logins.
    zone: The co-op's IANA zone; None if it is not set (serve and backfill require it).
    locations: The locations to read; empty means every active electric location.
    """

    name: str
    portal: PortalAddress
    username: str
    password: Secret
    totp_secret: Secret | None = None
    zone: ZoneInfo | None = None
    locations: tuple[LocationChoice, ...] = ()

    def reread(self) -> "Login":
        """Return the login with what its secret files hold now."""
        return replace(
            self, password=self.password.reread(), totp_secret=self.totp_secret and self.totp_secret.reread()
        )

    @property
    def has_placeholder(self) -> bool:
        """Whether the password is a placeholder from a file that we ship.

        A sign-in with it would only count as rejected.
        """
        password = self.password.reveal()
        is_real = self.portal.base_url.endswith(REAL_PORTALS)
        return password == PLACEHOLDER or (password == DEMO_PASSWORD and is_real)


@dataclass(frozen=True, slots=True)
class ExporterConfig:
    """The exporter itself; `refresh_interval` and `window` are in seconds."""

    listen_address: str = ":10058"
    refresh_interval: int = 3600
    window: int = 7 * 86400
    state_dir: Path = Path()


@dataclass(frozen=True, slots=True)
class VictoriaMetricsConfig:
    """The database that backfill writes to and check reads.

    query_url: The URL for reading; None means `url`. snapshots: Whether a backfill may make snapshots.
    """

    url: str
    query_url: str | None = None
    username: str = ""
    password: Secret | None = None
    bearer_token: Secret | None = None
    ca_file: Path | None = None
    insecure: bool = False
    snapshots: bool = True
    extra_labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class InfluxDBConfig:
    """The Go tool's section; for `per_minute` see docs/samples.md, "InfluxDB layouts"."""

    host: str
    auth_token: Secret | None = None
    org: str = ""
    database: str = ""
    insecure: bool = False
    per_minute: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration, from file, environment and command line."""

    logins: tuple[Login, ...]
    exporter: ExporterConfig
    victoriametrics: VictoriaMetricsConfig | None = None
    influxdb: InfluxDBConfig | None = None
    extract_days: int = 10
    warnings: tuple[str, ...] = ()
