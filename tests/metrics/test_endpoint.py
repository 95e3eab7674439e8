"""/metrics: collectors, logins, formats, compression, the window, many scrapers, the warning for vmagent."""

import gzip
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar
from unittest.mock import patch

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.metrics import compression
from exporter.metrics.collector import CurrentState
from exporter.metrics.exposition import Format
from exporter.metrics.page import Page, PageTexts
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.refresh.ownership import Ownership
from exporter.refresh.status import LocationStatus, LoginStatus

from ..support.exposition import WINDOW, Exposition
from ..support.portal import login_of
from ..support.snapshots import (
    GOLDEN,
    KEY,
    KWH,
    T,
    quarters,
    read_openmetrics,
    snapshot_of,
)

TEXT = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2_53 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_5 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
VMAGENT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def exposition() -> Exposition:
    return Exposition()


def types_in(text: str) -> list[str]:
    return [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]


# -- parts of the page

INTERVALS = types_in(GOLDEN)


def test_the_page_has_the_intervals_then_the_exporter(exposition: Exposition) -> None:
    assert exposition.text(collect="intervals") == GOLDEN
    others = types_in(exposition.text(collect="exporter"))
    assert {"smarthub_up", "python_info", "process_start_time_seconds"} <= set(others)
    for both in ({}, {"collect[]": ["exporter", "intervals", "intervals"]}):
        text = exposition.get(both).body.decode()
        assert text.startswith(GOLDEN + "# HELP smarthub_refreshes_total ")
        assert types_in(text) == [*INTERVALS, *others]


@pytest.mark.parametrize(
    ("collect", "names", "found"),
    [
        *([(), [name], [name]] for name in INTERVALS),
        *([(), [name], [name]] for name in ("smarthub_up", "smarthub_refreshes_total", "python_info")),
        ((), ["smarthub_up", KWH, "smarthub_nothing"], [KWH, "smarthub_up"]),
        (["intervals"], [KWH], [KWH]),
        (["intervals"], ["smarthub_up"], []),
        (["exporter"], [KWH], []),
    ],
)
def test_families_can_be_selected_by_name(
    exposition: Exposition, collect: list[str], names: list[str], found: list[str]
) -> None:
    text = exposition.get({"collect[]": collect, "name[]": names}).body.decode()
    assert types_in(text) == found


@pytest.mark.parametrize("asked", [["hourly"], ["intervals", "hourly"], [""], ["Intervals"], ["intervals,exporter"]])
def test_an_unknown_collector_is_answered_with_400(exposition: Exposition, asked: list[str]) -> None:
    answer = exposition.get({"collect[]": asked})
    assert answer.status == 400
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.body == b"unknown collect[] value; use intervals or exporter\n"


def test_an_unknown_name_returns_an_empty_page(exposition: Exposition) -> None:
    query = {"name[]": ["smarthub_nothing"]}
    assert exposition.get(query).body == b""
    assert exposition.get(query, accept=OPENMETRICS).body == b"# EOF\n"


# -- a wrong zone


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_page_withholds_the_data_of_a_wrong_zone(exposition: Exposition, accept: str) -> None:
    found = {KEY: LocationStatus(up=True)}
    wrong = ZoneVerdict(ZoneState.CONTRADICTED, ("America/Denver",))

    def samples() -> list[str]:
        lines = exposition.get({"collect[]": ["intervals"]}, accept=accept).body.decode().splitlines()
        return [line for line in lines if not line.startswith("#")]

    before = samples()
    exposition.statuses["farm"] = LoginStatus(locations=found, zone=wrong)
    assert samples() == []
    assert KEY.location in exposition.text(collect="exporter")
    assert "smarthub_latest_usage_kwh{" not in exposition.text(collect="exporter")
    exposition.statuses["farm"] = LoginStatus(locations=found)
    assert samples() == before != []


def test_page_of_a_wrong_zone_is_rendered_once(exposition: Exposition) -> None:
    zone = ZoneVerdict(ZoneState.CONTRADICTED, ("America/Denver",))
    exposition.statuses["farm"] = LoginStatus(locations={KEY: LocationStatus(up=True)}, zone=zone)
    pages = [exposition.endpoint._page(Format.TEXT) for _ in range(2)]
    assert pages[0] is pages[1]


# -- formats


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param("", TEXT, id="no header"),
        pytest.param("*/*", TEXT, id="anything"),
        pytest.param("text/html,*/*;q=0.8", TEXT, id="a browser"),
        pytest.param(VMAGENT, TEXT, id="VictoriaMetrics and vmagent"),
        pytest.param(
            PROMETHEUS_2_42,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            id="Prometheus 2.42",
        ),
        pytest.param(
            PROMETHEUS_2_53,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            id="Prometheus 2.53",
        ),
        pytest.param(
            PROMETHEUS_3_5,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            id="Prometheus 3.5",
        ),
    ],
)
def test_each_scraper_gets_the_format_it_asks_for(exposition: Exposition, accept: str, content_type: str) -> None:
    answer = exposition.get(accept=accept)
    assert (answer.status, answer.content_type) == (200, content_type)
    assert dict(answer.headers)["Vary"] == "Accept, Accept-Encoding"
    text = answer.body.decode()
    if content_type == TEXT:
        assert text.startswith(GOLDEN)
        assert "# EOF" not in text
        metrics = list(parse_text(text))
    else:
        assert text.endswith("\n# EOF\n")
        assert text.count("# EOF") == 1
        metrics = read_openmetrics(text)
    usage = next(metric for metric in metrics if metric.name == KWH)
    assert [sample.value for sample in usage.samples] == [0.31, 0.0]


def test_accept_headers_do_not_fill_the_memory(exposition: Exposition) -> None:
    for number in range(100):
        exposition.get(accept=f"application/openmetrics-text;version=1.0.{number}")
    assert len(exposition.endpoint._steady) < 10


@pytest.mark.parametrize(
    "accept",
    [
        *(f"application/openmetrics-text;version={version}" for version in ("abc", "1.0.7", "2.0.0", "9999")),
        "text/plain;version=x.y",
        "application/openmetrics-text;version=;escaping=;;=,,",
        ";;;",
        "\x80\xff",
    ],
)
def test_an_unknown_format_is_answered_as_text(exposition: Exposition, accept: str) -> None:
    response = exposition.get(accept=accept)
    assert (response.status, response.content_type) == (200, TEXT)


@pytest.mark.parametrize("part", ["intervals", "exporter"])
def test_each_part_is_a_complete_openmetrics_page(exposition: Exposition, part: str) -> None:
    text = exposition.get({"collect[]": [part]}, accept=OPENMETRICS).body.decode()
    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1
    assert read_openmetrics(text)


def test_there_are_no_created_samples_in_any_format(exposition: Exposition) -> None:
    exposition.login.portal_call("poll", "200", 0.1)
    for accept in ("", OPENMETRICS):
        assert b"_created" not in exposition.get(accept=accept).body


# -- compression


@pytest.mark.parametrize("accept", [VMAGENT, PROMETHEUS_3_5], ids=["text", "openmetrics"])
@pytest.mark.parametrize("part", ["intervals", "exporter", ""])
def test_a_compressed_page_equals_the_plain_one(exposition: Exposition, accept: str, part: str) -> None:
    # Only families that do not change between two scrapes, unlike those of the process.
    names = {"name[]": [KWH, "smarthub_up", "smarthub_refresh_failures_total"]}
    query = {**names, **({"collect[]": [part]} if part else {})}
    plain = exposition.get(query, accept=accept)
    packed = exposition.get(query, accept=accept, accept_encoding="gzip")
    assert "Content-Encoding" not in dict(plain.headers)
    assert dict(packed.headers)["Content-Encoding"] == "gzip"
    assert packed.content_type == plain.content_type
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.parametrize(
    ("encodings", "packed"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.8, *;q=0.1", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("deflate, br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, deflate", False),
        ("xgzip", False),
    ],
)
def test_only_clients_that_accept_gzip_get_it(exposition: Exposition, encodings: str, packed: bool) -> None:  # noqa: FBT001
    answer = exposition.get(accept_encoding=encodings)
    assert ("Content-Encoding" in dict(answer.headers)) is packed
    assert answer.body.startswith(b"\x1f\x8b") is packed


# -- the window


def kwh_samples(exposition: Exposition) -> int:
    return exposition.text(name=KWH).count("\nsmarthub_")


def test_the_page_changes_when_a_sample_leaves_the_window() -> None:
    exposition = Exposition(snapshot_of(Meter.of(MeterInfo("81001"), quarters(3))))
    first = (T * 1000 - 999) / 1000
    exposition.clock.move_to(first + WINDOW)
    assert kwh_samples(exposition) == 3
    exposition.clock.advance(0.002)
    assert kwh_samples(exposition) == 2
    exposition.clock.move_to(first + WINDOW + 900)
    assert kwh_samples(exposition) == 2
    exposition.clock.advance(0.003)
    assert kwh_samples(exposition) == 1
    exposition.clock.advance(WINDOW)
    assert kwh_samples(exposition) == 0


def test_the_page_is_rendered_again_only_if_a_sample_leaves(exposition: Exposition) -> None:
    def fetch() -> Page:
        exposition.get(accept=OPENMETRICS)
        return exposition.endpoint._page(Format.TEXT)

    rendered = fetch()
    exposition.clock.move_to(T - 1 + WINDOW)
    assert fetch() is rendered
    exposition.clock.advance(1)
    assert fetch() is not rendered


def test_a_new_snapshot_is_on_the_next_page(exposition: Exposition) -> None:
    exposition.store.snapshot = snapshot_of(Meter.of(MeterInfo("81001"), quarters(1)))
    assert exposition.text(name=KWH).splitlines()[-1] == (
        'smarthub_interval_usage_kwh{portal="novec",account="55001",location="70001",meter="81001"} 0.25 1795001399001'
    )
    exposition.store.snapshot = snapshot_of(Meter.of(MeterInfo("81001"), quarters(1, 0.5)))
    assert exposition.text(name=KWH).splitlines()[-1].endswith("} 0.5 1795001399001")


def test_the_latest_interval_is_served_beyond_the_window(exposition: Exposition) -> None:
    exposition.clock.move_to(T + 30 * 86400)
    assert "smarthub_interval_usage_kwh{" not in exposition.text()
    labels = '{account="55001",location="70001",meter="81002",portal="novec"}'
    assert exposition.lines("smarthub_latest_") == [
        f"smarthub_latest_usage_kwh{labels} 0.0",
        f"smarthub_latest_usage_watts{labels} 0.0",
        f"smarthub_latest_export_kwh{labels} 1.25",
        f"smarthub_latest_cost_usd{labels} -0.05",
        f"smarthub_latest_interval_end_timestamp_seconds{labels} 1.7950023e+09",
    ]


@pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "openmetrics"])
def test_every_change_is_on_the_next_page(exposition: Exposition, accept: str) -> None:
    def fetch() -> str:
        body = exposition.get({"collect[]": ["exporter"]}, accept=accept).body.decode()
        return "\n".join(line for line in body.splitlines() if line.startswith("smarthub_"))

    pages = [fetch(), fetch()]
    assert pages[0] == pages[1]
    exposition.login.refreshed([])
    pages.append(fetch())
    exposition.login.portal_call("poll", "200", 0.1)
    pages.append(fetch())
    exposition.login.revised("up", "window")
    pages.append(fetch())
    exposition.statuses["farm"] = LoginStatus(up=True, last_refresh=T)
    pages.append(fetch())
    exposition.store.backfill_needed[KEY] = T
    exposition.store.version += 1
    pages.append(fetch())
    exposition.store.retain([])
    pages.append(fetch())
    assert len(set(pages)) == len(pages) - 1


# -- many scrapers at once


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def at_once(count: int, action: Callable[[], object]) -> None:
    """Do something in so many threads, which begin together."""
    begin = threading.Barrier(count)
    threads = [threading.Thread(target=lambda: (begin.wait(), action())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_scrapers_at_once_share_one_page(exposition: Exposition, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[str] = Counter()

    def slowly(name: str, action: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        def counted(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
            made[name] += 1
            time.sleep(0.002)  # so that the others come meanwhile
            return action(*arguments, **options)

        return counted

    def made_for(scrapers: int, usage: float) -> Counter[str]:
        """Count what is made for so many scrapers of a new page."""
        exposition.store.snapshot = snapshot_of(Meter.of(MeterInfo("81001"), quarters(3, usage)))
        exposition.login.refreshed([])
        made.clear()
        at_once(scrapers, lambda: exposition.get({}, accept_encoding="gzip"))
        return made.copy()

    monkeypatch.setattr(PageTexts, "page", slowly("rendering", PageTexts.page))
    monkeypatch.setattr(CurrentState, "collect", slowly("collecting", CurrentState.collect))
    monkeypatch.setattr(compression, "_deflate", slowly("packing", compression._deflate))
    made_for(1, 0.25)  # packs the headers of the families, once and for all
    alone = made_for(1, 0.5)
    assert (alone["rendering"], alone["collecting"]) == (1, 1)
    together = made_for(20, 0.75)
    # The families of the process are other ones at each scrape.
    assert together == alone | {"packing": alone["packing"] + 19}


def test_a_page_is_never_replaced_by_an_older_one(exposition: Exposition) -> None:
    new = snapshot_of(Meter.of(MeterInfo("81001"), quarters(1)))
    later = threading.Thread(target=exposition.get)
    refresher = exposition.endpoint._refresher
    statuses = refresher.statuses

    def overtaken() -> dict[str, LoginStatus]:
        """Let another scrape come, with a new snapshot, once the old one is read."""
        if exposition.endpoint._rendering.locked() and later.ident is None:
            exposition.store.snapshot = new
            later.start()
            later.join(0.1)
        return statuses()

    with patch.object(refresher, "statuses", overtaken):
        exposition.get()
    later.join()
    assert exposition.endpoint._pages[Format.TEXT].snapshot is new


# -- pages of some logins

OTHER = LocationKey("novec", "55001", "70002")
BOTH = snapshot_of(Meter.of(MeterInfo("81001"), quarters(1))).with_location(
    Location(OTHER, "", "", (Meter.of(MeterInfo("82001"), quarters(1)),))
)


@pytest.fixture
def shared() -> Exposition:
    """Two logins that read a location each."""
    login = login_of("https://novec.smarthub.coop", name="farm")
    ownership = Ownership([login, replace(login, name="mill"), replace(login, name="idle")])
    ownership.claim(0, [KEY])
    ownership.claim(1, [KEY, OTHER])
    outcomes = [(KEY, "farm"), (OTHER, "mill")]
    statuses = {name: LoginStatus(locations={key: LocationStatus(up=True)}) for key, name in outcomes}
    statuses["idle"] = LoginStatus()
    return Exposition(BOTH, statuses, {KEY: T, OTHER: T}, ownership=ownership)


def labels_in(exposition: Exposition, label: str, *logins: str, **headers: str) -> set[str]:
    body = exposition.get({"login": [*logins]}, **headers).body
    text = gzip.decompress(body) if headers.get("accept_encoding") else body
    return set(re.findall(rf'{label}="([^"]*)"', text.decode()))


@pytest.mark.parametrize("headers", [{}, {"accept": OPENMETRICS}, {"accept_encoding": "gzip"}])
@pytest.mark.parametrize(
    ("logins", "meters"),
    [
        ([], {"81001", "82001"}),
        (["farm"], {"81001"}),
        (["mill"], {"82001"}),
        (["mill", "farm", "farm"], {"81001", "82001"}),
        (["idle"], set()),
    ],
)
def test_a_page_can_be_of_some_logins(
    shared: Exposition, headers: dict[str, str], logins: list[str], meters: set[str]
) -> None:
    for part in ("intervals", "exporter"):
        answer = shared.get({"login": logins, "collect[]": [part]}, **headers)
        text = gzip.decompress(answer.body) if "accept_encoding" in headers else answer.body
        assert set(re.findall(r'meter="(\d+)"', text.decode())) == meters

    locations = {"70001": "81001", "70002": "82001"}
    assert {locations[each] for each in labels_in(shared, "location", *logins, **headers)} == meters
    assert labels_in(shared, "login", *logins, **headers) <= set(logins or shared.statuses)


def test_a_page_of_a_login_has_the_families_of_the_process(shared: Exposition) -> None:
    shared.login.refreshed([])
    text = shared.get({"login": ["mill"]}).body.decode()
    assert {"smarthub_exporter_build_info", "python_info", "process_start_time_seconds", "smarthub_state_kept"} <= {
        line.partition(" ")[0].partition("{")[0] for line in text.splitlines()
    }
    assert 'login="farm"' not in text
    assert 'smarthub_refreshes_total{login="farm"} 1.0' in shared.get({"login": ["farm"]}).body.decode()


def test_a_page_of_a_login_can_be_of_some_families(shared: Exposition) -> None:
    query = {"login": ["mill"], "name[]": [KWH, "smarthub_location_up"]}
    lines = [line for line in shared.get(query).body.decode().splitlines() if not line.startswith("#")]
    assert [line.partition("{")[0] for line in lines] == [KWH, "smarthub_location_up"]
    assert all('location="70002"' in line for line in lines)


def test_a_location_moves_to_the_page_of_its_new_login(shared: Exposition) -> None:
    assert labels_in(shared, "location", "farm") == {"70001"}
    shared.ownership.claim(0, [])
    assert labels_in(shared, "location", "farm") == set()
    assert labels_in(shared, "location", "mill") == {"70001", "70002"}


@pytest.mark.parametrize("logins", [["nobody"], ["farm", "nobody"], [""], ["farm,mill"], ["Farm"]])
@pytest.mark.parametrize("part", ["intervals", "exporter"])
def test_an_unknown_login_is_answered_with_400(shared: Exposition, logins: list[str], part: str) -> None:
    answer = shared.get({"login": logins, "collect[]": [part]})
    assert (answer.status, answer.body) == (400, b"unknown login; use the name of a login in the configuration\n")


# -- before the first refresh


def test_all_counters_exist_before_the_first_refresh() -> None:
    exposition = Exposition(Snapshot())
    assert exposition.lines("smarthub_") == [
        'smarthub_refreshes_total{login="farm"} 0.0',
        *(
            f'smarthub_refresh_failures_total{{login="farm",reason="{reason}"}} 0.0'
            for reason in ("credentials", "two_factor", "permission", "pending", "transport", "protocol")
        ),
        *(
            f'smarthub_interval_revisions_total{{direction="{direction}",login="farm",reach="{reach}"}} 0.0'
            for direction in ("up", "down")
            for reach in ("window", "older")
        ),
        *exposition.lines("smarthub_exporter_build_info{"),
        'smarthub_up{login="farm"} 0.0',
        'smarthub_last_refresh_timestamp_seconds{login="farm"} 0.0',
        'smarthub_last_refresh_success_timestamp_seconds{login="farm"} 0.0',
        'smarthub_last_refresh_duration_seconds{login="farm"} 0.0',
        'smarthub_timezone_mismatch{login="farm"} 0.0',
        "smarthub_state_kept 0.0",
    ]


# -- the warning for vmagent

LOST = (
    "vmagent or VictoriaMetrics scrapes this page without collect[], which stores all intervals at the time of the"
    " scrape unless the job sets honor_timestamps: true; use the two scrape jobs from docs/scraping.md"
)


def test_vmagent_without_collectors_is_warned_about_once(
    exposition: Exposition, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        exposition.get(user_agent="vm_promscrape", accept=VMAGENT)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.WARNING, LOST)]


@pytest.mark.parametrize(
    ("agent", "query"),
    [
        ("vm_promscrape", {"collect[]": ["intervals"]}),
        ("vm_promscrape", {"collect[]": ["exporter"]}),
        ("Prometheus/2.42.0", {}),
        ("", {}),
    ],
)
def test_other_scrapes_cause_no_warning(
    exposition: Exposition, caplog: pytest.LogCaptureFixture, agent: str, query: dict[str, list[str]]
) -> None:
    exposition.get(query, user_agent=agent)
    assert caplog.records == []
