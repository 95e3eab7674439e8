"""What the program knows of its configuration, checked and with defaults filled in. Nothing here reads files."""

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

PLACEHOLDER = "CHANGE-ME"
DEMO_PASSWORD = "correct horse & battery+staple"  # noqa: S105 - of the simulated portal
REAL_PORTALS = ".smarthub.coop"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A password or token that does not show itself: only `reveal` gives the text."""

    _text: str

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True)
class PortalAddress:
    """Where a portal is.

    base_url: scheme, host and port, without a trailing slash.
    label: the value of the `portal` label: `novec` for novec.smarthub.coop, any other host as it is, with its port.
    loopback: the portal is on this machine (a simulated one), so that short refresh intervals are no burden.
    """

    base_url: str
    label: str
    loopback: bool


@dataclass(frozen=True, slots=True)
class LocationChoice:
    """A service location that the user picked; None stands for any. `name` is the user's own name for it, or empty."""

    account: str | None = None
    service_location: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """One sign-in to one portal.

    name: unique among logins, the `login` label.
    zone: the co-op's IANA zone; None where the user gave none (serve and backfill refuse that).
    locations: what to read; empty means every active electric location.
    """

    name: str
    portal: PortalAddress
    username: str
    password: Secret
    totp_secret: Secret | None = None
    zone: ZoneInfo | None = None
    locations: tuple[LocationChoice, ...] = ()

    @property
    def has_placeholder(self) -> bool:
        """Whether the password is one of the files that we ship: it opens nothing, and each try would be counted."""
        password = self.password.reveal()
        is_real = self.portal.base_url.endswith(REAL_PORTALS)
        return password == PLACEHOLDER or (password == DEMO_PASSWORD and is_real)


@dataclass(frozen=True, slots=True)
class ExporterConfig:
    """The exporter itself; `refresh_interval` and `window` in seconds."""

    listen_address: str = ":10058"
    refresh_interval: int = 3600
    window: int = 7 * 86400
    state_dir: Path = Path()


@dataclass(frozen=True, slots=True)
class VictoriaMetricsConfig:
    """The database that backfill writes to and check reads. `query_url` is None where it is `url` itself."""

    url: str
    query_url: str | None = None
    username: str = ""
    password: Secret | None = None
    bearer_token: Secret | None = None
    ca_file: Path | None = None
    insecure: bool = False
    extra_labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class InfluxDBConfig:
    """The Go tool's section; `per_minute` is its layout (contract 6)."""

    host: str
    auth_token: Secret | None = None
    org: str = ""
    database: str = ""
    insecure: bool = False
    per_minute: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """Everything, after file, environment and command line have been put over one another."""

    logins: tuple[Login, ...]
    exporter: ExporterConfig
    victoriametrics: VictoriaMetricsConfig | None = None
    influxdb: InfluxDBConfig | None = None
    extract_days: int = 10
    warnings: tuple[str, ...] = ()
