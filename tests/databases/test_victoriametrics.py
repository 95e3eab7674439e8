"""Test reading from VictoriaMetrics."""

import json
import math

import pytest

from exporter.config import VictoriaMetricsConfig
from exporter.databases.victoriametrics import VictoriaMetrics
from exporter.errors import DatabaseError

from ..support.fake_database import Database

FLAGS = '-dedup.minScrapeInterval="1s"\n-httpAuth.password="secret"\n-storageDataPath="/data \\"x\\""\n'


@pytest.fixture
def vm(database: Database) -> VictoriaMetrics:
    return VictoriaMetrics(VictoriaMetricsConfig(database.url))


def instant(kind: str, result: object) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


def test_a_query_returns_labels_and_values(database: Database, vm: VictoriaMetrics) -> None:
    result = [{"metric": {"meter": "1"}, "value": [1, "2.5"]}, {"metric": {}, "value": [1, "NaN"]}]
    database.answer("/api/v1/query", instant("vector", result))
    (first, second) = vm.query("x", 1795000000.5)
    assert first == ({"meter": "1"}, 2.5)
    assert second[0] == {}
    assert str(second[1]) == "nan"
    assert database.asked[0].params == {"query": "x", "nocache": "1", "time": "1795000000.500"}


def test_a_scalar_has_no_labels(database: Database, vm: VictoriaMetrics) -> None:
    database.answer("/api/v1/query", instant("scalar", [1, "1"]))
    vm.ping()
    assert vm.query("1") == [({}, 1.0)]
    assert database.asked[0].params == {"query": "1", "nocache": "1"}


@pytest.mark.parametrize("answer", ["[]", "{}", '{"data": {"resultType": "matrix", "result": [{"metric": {}}]}}', "7"])
def test_an_unexpected_response_is_an_error(database: Database, vm: VictoriaMetrics, answer: str) -> None:
    database.answer("/api/v1/query", answer)
    with pytest.raises(DatabaseError, match="unexpected"):
        vm.query("x")


def test_an_export_returns_samples_from_start_to_end(database: Database, vm: VictoriaMetrics) -> None:
    lines = [
        {
            "metric": {"__name__": "a"},
            "timestamps": [999, 1000, 1500, 2000, 2001],
            "values": [0, 1, None, "Infinity", 4],
        },
        {"metric": {"__name__": "a"}, "timestamps": [5000], "values": [5]},
        # VictoriaMetrics starts a line with NaN and continues with null.
        {"metric": {"__name__": "b"}, "timestamps": [1000, 1500, 2000], "values": [math.nan, None, 3]},
    ]
    database.answer("/api/v1/export", "\n".join(map(json.dumps, lines)))
    found = [(each.labels, each.stamps, list(map(repr, each.values))) for each in vm.export("a", 1000, 2000)]
    assert found == [
        ({"__name__": "a"}, [1000, 1500, 2000], ["1.0", "nan", "inf"]),
        ({"__name__": "b"}, [1000, 1500, 2000], ["nan", "nan", "3.0"]),
    ]
    list(vm.export("a", 1000, 2000, raw=True))
    params = {"match[]": "a", "start": "0", "end": "4", "max_rows_per_line": "10000"}
    assert [asked.params for asked in database.asked] == [params, {**params, "reduce_mem_usage": "1"}]


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"metric": {}, "timestamps": [1], "values": []}', "{}"])
def test_an_unexpected_line_is_an_error(database: Database, vm: VictoriaMetrics, line: str) -> None:
    database.answer("/api/v1/export", line)
    with pytest.raises(DatabaseError, match="unexpected"):
        list(vm.export("a", 0, 1))


def test_flags_are_read_by_name(database: Database, vm: VictoriaMetrics) -> None:
    database.answer("/flags", FLAGS)
    assert vm.flags() == {
        "dedup.minScrapeInterval": "1s",
        "httpAuth.password": "secret",
        "storageDataPath": '/data "x"',
    }


@pytest.mark.parametrize(
    ("status", "body"), [(302, FLAGS), (404, FLAGS), (499, FLAGS), (200, "<html></html>"), (200, ""), (200, "-a=b\nc")]
)
def test_unknown_flags_are_none(database: Database, vm: VictoriaMetrics, status: int, body: str) -> None:
    database.answer("/flags", body, status)
    assert vm.flags() is None


def test_flags_of_vmauth_are_not_those_of_the_database(database: Database, vm: VictoriaMetrics) -> None:
    database.answer("/flags", '-auth.config="auth.yml"\n-httpListenAddr=":8427"\n')
    assert vm.flags() is None


def test_a_vmagent_is_named(database: Database, vm: VictoriaMetrics) -> None:
    database.answer("/flags", '-remoteWrite.url="secret"\n')
    database.answer("/api/v1/query", "unsupported path requested", 400)
    for call in (vm.flags, vm.ping):
        with pytest.raises(DatabaseError) as caught:
            call()
        said = "this is vmagent, which stores nothing; give the address of the VictoriaMetrics behind it"
        assert str(caught.value) == f"victoriametrics {database.url}: {said}"


def test_a_prometheus_is_named(database: Database, vm: VictoriaMetrics) -> None:
    database.answer("/api/v1/query", instant("scalar", [1, "1"]))
    database.answer("/api/v1/status/flags", json.dumps({"data": {"web.listen-address": ":9090"}}))
    with pytest.raises(DatabaseError, match="this is Prometheus, which cannot be read back or filled") as caught:
        vm.ping()
    assert "smarthub-exporter backfill --start first --to openmetrics" in str(caught.value)


def test_a_server_error_is_not_taken_for_missing_flags(database: Database, vm: VictoriaMetrics) -> None:
    database.answer("/flags", FLAGS, 503)
    with pytest.raises(DatabaseError):
        vm.flags()


def test_a_cluster_is_read_at_its_query_url() -> None:
    config = VictoriaMetricsConfig(
        "http://vminsert:8480/insert/0/prometheus", "http://vmselect:8481/select/0/prometheus"
    )
    with VictoriaMetrics(config) as vm:
        assert vm.reads_back
        assert vm.writing.target.url == "http://vminsert:8480/insert/0/prometheus"
        assert (vm.reading.target.url, vm.reading.target.key) == (config.query_url, "query_url")


@pytest.mark.parametrize(
    ("url", "reads_back"), [("http://vminsert:8480/insert/0/prometheus", False), ("http://vm:8428", True)]
)
def test_vminsert_alone_cannot_be_queried(url: str, reads_back: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with VictoriaMetrics(VictoriaMetricsConfig(url)) as vm:
        assert vm.reads_back is reads_back
        assert vm.reading is vm.writing
