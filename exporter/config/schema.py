"""What a configuration may hold: the keys of each section and the environment variables that stand for some of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FILE_KEY = "_file"
FILE_VARIABLE = "_FILE"


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of one mapping.

    texts: keys with one value.
    secrets: the same, but never shown; each has a twin `..._file` that names a file with the value.
    nested: keys with a list or mapping.
    variables: environment variables by key; a secret's twin has one too.
    """

    texts: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def twins(self) -> tuple[str, ...]:
        """The keys that name a file with a secret."""
        return tuple(secret + FILE_KEY for secret in self.secrets)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key."""
        return self.texts + self.secrets + self.twins + self.nested


def _variables(shown: Mapping[str, str], secret: Mapping[str, str]) -> dict[str, str]:
    twins = {key + FILE_KEY: variable + FILE_VARIABLE for key, variable in secret.items()}
    return {**shown, **secret, **twins}


TOP = Shape(
    texts=("extract_days",),
    nested=("smarthub", "exporter", "victoriametrics", "influxdb"),
)
LOGIN = Shape(
    texts=("name", "api_url", "username", "timezone", "account", "service_location"),
    secrets=("password", "totp_secret"),
    nested=("locations",),
    variables=_variables(
        shown={
            "api_url": "SMARTHUB_API_URL",
            "username": "SMARTHUB_USERNAME",
            "timezone": "SMARTHUB_TIMEZONE",
            "account": "SMARTHUB_ACCOUNT",
            "service_location": "SMARTHUB_SERVICE_LOCATION",
        },
        secret={"password": "SMARTHUB_PASSWORD", "totp_secret": "SMARTHUB_TOTP_SECRET"},
    ),
)
LOCATION = Shape(texts=("account", "service_location", "name"))
EXPORTER = Shape(
    texts=("listen_address", "refresh_interval", "window", "state_dir"),
    variables={
        "listen_address": "SMARTHUB_LISTEN_ADDRESS",
        "refresh_interval": "SMARTHUB_REFRESH_INTERVAL",
        "window": "SMARTHUB_WINDOW",
        "state_dir": "SMARTHUB_STATE_DIR",
    },
)
VICTORIAMETRICS = Shape(
    texts=("url", "query_url", "username", "ca_file", "insecure"),
    secrets=("password", "bearer_token"),
    nested=("extra_labels",),
    variables=_variables(
        shown={"url": "VICTORIAMETRICS_URL", "username": "VICTORIAMETRICS_USERNAME"},
        secret={"password": "VICTORIAMETRICS_PASSWORD"},
    ),
)
INFLUXDB = Shape(
    texts=("host", "org", "database", "insecure", "per_minute"),
    secrets=("auth_token",),
)

SECTIONS = {
    "smarthub": LOGIN,
    "exporter": EXPORTER,
    "victoriametrics": VICTORIAMETRICS,
    "influxdb": INFLUXDB,
}
VARIABLES = tuple(variable for shape in SECTIONS.values() for variable in shape.variables.values())
