"""Looking at an InfluxDB 1.x or 2, or at a VictoriaMetrics that takes its protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ..config import InfluxDBConfig
from .api import Answer, Api, Authorization, Json, Target

_TRUST = "name its authority in the variable REQUESTS_CA_BUNDLE, or set insecure: true"
_CREDENTIALS = "check auth_token: user:password for InfluxDB 1, an API token for InfluxDB 2"
_PATH = "check host: the address of an InfluxDB or VictoriaMetrics, without /write"


@dataclass(frozen=True, slots=True)
class InfluxState:
    """What answers at the address. version: as it says itself, or empty.

    exists: whether the configured database or bucket does; None where that is no question, as in VictoriaMetrics.
    """

    product: str
    version: str
    exists: bool | None


class InfluxDB:
    """An InfluxDB as the configuration has it."""

    def __init__(self, config: InfluxDBConfig) -> None:
        self._config = config
        token = config.auth_token.reveal() if config.auth_token else ""
        self._token_of_v2 = bool(token) and ":" not in token
        # The Go tool sent both kinds as a token; user and password as such is understood by every version and proxy.
        username, _, password = token.partition(":")
        if self._token_of_v2:
            authorization = Authorization(f"Token {token}")
        else:
            authorization = Authorization.basic(username, password) if token else Authorization()
        self.api = Api(
            Target(
                "influxdb",
                "host",
                config.host,
                _CREDENTIALS if token else _CREDENTIALS.replace("check", "set"),
                _TRUST,
                _PATH,
                authorization,
                insecure=config.insecure,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self.api.close()

    def check(self) -> InfluxState:
        """Prove that it answers and takes the credentials, which /ping does not, and look for the database.

        Raises DatabaseError.
        """
        ping = self.api.get("/ping", accept=range(400, 500))
        version = ping.headers.get("X-Influxdb-Version", "").removeprefix("v")
        if _is_victoriametrics(ping):
            # It has no databases: any name will do. Old versions do not know the statement (tsdb-facts D).
            self.api.get("/query", {"q": "SHOW DATABASES"}, accept=(400,))
            return InfluxState("VictoriaMetrics", "", None)
        if version.startswith("1") or not (version.startswith("2") or self._token_of_v2):
            return InfluxState("InfluxDB", version, self._has_database())
        return InfluxState("InfluxDB", version, self._has_bucket())

    def _has_database(self) -> bool:
        answer = self.api.get("/query", {"q": "SHOW DATABASES"})
        try:
            names = _databases(self.api.parsed(answer))
        except (ValueError, TypeError, LookupError, AttributeError):
            raise self.api.not_understood(answer.body) from None
        # The Go tool's `database` may name a retention policy too: `electric/autogen`.
        return self._config.database.partition("/")[0] in names

    def _has_bucket(self) -> bool:
        params = {"name": self._config.database}
        if self._config.org:
            params["org"] = self._config.org
        answer = self.api.get("/api/v2/buckets", params, accept=(404,))
        found = self.api.parsed(answer)
        if not isinstance(found, Mapping):
            raise self.api.not_understood(answer.body)
        if answer.status != 404:  # noqa: PLR2004
            return bool(found.get("buckets"))
        if "organization" in str(found.get("message")):
            raise self.api.target.error("has no such organization, or the token may not see it; correct org")
        return False


def _is_victoriametrics(answer: Answer) -> bool:
    """VictoriaMetrics names its machine in every answer; an InfluxDB behind vmauth tells its build too."""
    return "X-Server-Hostname" in answer.headers and "X-Influxdb-Build" not in answer.headers


def _databases(answer: Json) -> set[str]:
    return {str(row[0]) for result in answer["results"] for each in result["series"] for row in each.get("values", ())}
