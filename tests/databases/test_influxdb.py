"""Test the checks of InfluxDB, and of VictoriaMetrics in its place."""

import json

import pytest

from exporter.config import InfluxDBConfig, Secret
from exporter.databases.influxdb import InfluxDB, InfluxState
from exporter.errors import DatabaseError

from ..support.fake_database import Database

V1 = {"X_Influxdb_Version": "1.8.10", "X_Influxdb_Build": "OSS"}
V2 = {"X_Influxdb_Version": "v2.7.11", "X_Influxdb_Build": "OSS"}
DATABASES = json.dumps({"results": [{"series": [{"name": "databases", "values": [["_internal"], ["electric"]]}]}]})


def check(database: Database, token: str = "", name: str = "electric", org: str = "") -> InfluxState:
    with InfluxDB(InfluxDBConfig(database.url, Secret(token) if token else None, org, name)) as influx:
        return influx.check()


@pytest.mark.parametrize(("name", "exists"), [("electric", True), ("electric/autogen", True), ("other", False)])
def test_version_1_lists_its_databases(database: Database, name: str, exists: bool) -> None:  # noqa: FBT001
    database.answer("/ping", status=204, **V1)
    database.answer("/query", DATABASES)
    assert check(database, "me:pw", name) == InfluxState("InfluxDB", "1.8.10", exists)
    assert database.asked[-1].params == {"q": "SHOW DATABASES"}
    assert database.asked[-1].headers["authorization"] == "Basic bWU6cHc="


def test_version_1_without_authentication_accepts_any_token(database: Database) -> None:
    database.answer("/ping", status=204, **V1)
    database.answer("/query", DATABASES)
    assert check(database, "anything") == InfluxState("InfluxDB", "1.8.10", exists=True)
    assert check(database) == InfluxState("InfluxDB", "1.8.10", exists=True)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/query", '{"results": [{"error": "x"}]}'),
        ("/query", "[]"),
        ("/query", '{"results": [{"series": [{"values": [7]}]}]}'),
        ("/api/v2/buckets", "[]"),
    ],
)
def test_an_unexpected_list_is_reported(database: Database, path: str, answer: str) -> None:
    database.answer("/ping", status=204, **(V1 if path == "/query" else V2))
    database.answer(path, answer)
    with pytest.raises(DatabaseError, match="unexpected"):
        check(database, "me:pw" if path == "/query" else "token")


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("me:wr0ng", "refused the credentials (status 401); check auth_token: user:password for InfluxDB 1, "),
        ("", "requires credentials (status 401); set auth_token: user:password for InfluxDB 1, "),
    ],
)
def test_refused_credentials_are_reported_despite_ping(database: Database, token: str, told: str) -> None:
    database.answer("/ping", status=204, **V1)
    database.answer("/query", '{"error":"authorization failed"}', 401)
    with pytest.raises(DatabaseError) as caught:
        check(database, token)
    assert str(caught.value) == f"influxdb {database.url}: {told}an API token for InfluxDB 2"


@pytest.mark.parametrize(
    ("status", "answer", "exists"),
    [
        (200, '{"buckets": [{"name": "electric"}]}', True),
        (200, '{"buckets": []}', False),
        (404, '{"message": "bucket not found"}', False),
    ],
)
def test_version_2_looks_for_the_bucket(
    database: Database,
    status: int,
    answer: str,
    exists: bool,  # noqa: FBT001
) -> None:
    database.answer("/ping", status=204, **V2)
    database.answer("/api/v2/buckets", answer, status)
    assert check(database, "token", org="home") == InfluxState("InfluxDB", "2.7.11", exists)
    assert database.asked[-1].params == {"name": "electric", "org": "home"}
    assert database.asked[-1].headers["authorization"] == "Token token"


def test_a_missing_organization_is_reported(database: Database) -> None:
    database.answer("/ping", status=204, **V2)
    database.answer("/api/v2/buckets", '{"message": "organization name \\"home\\" not found"}', 404)
    with pytest.raises(DatabaseError) as caught:
        check(database, "token", org="home")
    told = "has no such organization, or the token has no access to it; fix org"
    assert str(caught.value) == f"influxdb {database.url}: {told}"


def test_a_hidden_version_is_guessed_from_the_token(database: Database) -> None:
    database.answer("/api/v2/buckets", '{"buckets": [{}]}')
    database.answer("/query", DATABASES)
    assert check(database, "token") == InfluxState("InfluxDB", "", exists=True)
    assert check(database, "me:pw") == InfluxState("InfluxDB", "", exists=True)
    assert [asked.path for asked in database.asked] == ["/ping", "/api/v2/buckets", "/ping", "/query"]


@pytest.mark.parametrize("token", ["", "me:pw", "token"])
def test_victoriametrics_is_checked_by_its_export(database: Database, token: str) -> None:
    database.answer("/ping", status=204, X_Server_Hostname="vm")
    # Old versions, and proxies with a list of paths, have no /query.
    database.answer("/query", "unsupported path requested", 400)
    database.answer("/api/v1/export")
    assert check(database, token, "other") == InfluxState("VictoriaMetrics", "", None)


@pytest.mark.parametrize(("status", "said"), [(400, 'missing route for "/api/v1/export"'), (401, "")])
def test_a_proxy_without_read_access_is_reported(database: Database, status: int, said: str) -> None:
    database.answer("/ping", status=204, X_Server_Hostname="proxy")
    database.answer("/query", DATABASES)
    database.answer("/api/v1/export", said, status)
    with pytest.raises(DatabaseError):
        check(database)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("one\n\ttwo\u001b[31m", "one two [31m"),
        ('no such user "me" with "s3cret"', "no reason given"),
        ("", "no reason given"),
    ],
)
def test_query_errors_are_one_line_without_secrets(database: Database, said: str, told: str) -> None:
    database.answer("/query", json.dumps({"results": [{"error": said}]}))
    config = InfluxDBConfig(database.url, Secret("me:s3cret"), database="electric")
    with InfluxDB(config) as influx, pytest.raises(DatabaseError) as caught:
        influx.read((), 0, 1)
    assert str(caught.value) == (
        f"influxdb {database.url}: refused a query ({told}); check database and the read access of the user or token"
    )


def test_a_secret_in_the_version_is_not_shown(database: Database) -> None:
    database.answer("/ping", status=204, **{**V1, "X_Influxdb_Version": "1.8 for s3cret"})
    database.answer("/query", DATABASES)
    assert check(database, "me:s3cret") == InfluxState("InfluxDB", "", exists=True)


def test_a_server_that_is_not_a_database_is_reported(database: Database) -> None:
    with pytest.raises(DatabaseError) as caught:
        check(database, "me:pw")
    assert str(caught.value) == (
        f"influxdb {database.url}: has no /query (status 404);"
        " check host, the address of InfluxDB or VictoriaMetrics without /write"
    )
