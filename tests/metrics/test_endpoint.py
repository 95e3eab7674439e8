"""/metrics: formats, packing, parts of the page, the window, and what is there before anything has happened."""

import gzip
import logging
import zlib
from dataclasses import replace

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.intervals.model import Meter, MeterInfo, Snapshot
from exporter.refresh.status import LocationStatus, LoginStatus
from exporter.web.server import Server

from ..support.exposition import WINDOW, Exposition
from ..support.snapshots import (
    GOLDEN,
    KEY,
    KWH,
    SOLAR_METER,
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


def test_the_page_is_the_intervals_and_then_the_exporter(exposition: Exposition) -> None:
    # What the process itself uses changes from one moment to the next.
    for part in ("smarthub_", "python_info"):
        assert f"# TYPE {part}" in exposition.text(collect="exporter")
    assert exposition.text().startswith(GOLDEN + "# HELP smarthub_refreshes_total ")
    assert types_in(exposition.text()) == [
        *types_in(exposition.text(collect="intervals")),
        *types_in(exposition.text(collect="exporter")),
    ]


def test_collect_intervals_gives_only_the_timestamped_families(exposition: Exposition) -> None:
    assert exposition.text(collect="intervals") == GOLDEN


def test_collect_exporter_gives_only_the_others(exposition: Exposition) -> None:
    names = types_in(exposition.text(collect="exporter"))
    assert "smarthub_up" in names
    assert not set(names) & set(types_in(GOLDEN))


def test_both_parts_asked_for_are_the_whole_page(exposition: Exposition) -> None:
    both = exposition.get({"collect[]": ["intervals", "exporter"]}).body.decode()
    assert types_in(both) == types_in(exposition.text())


def test_a_part_asked_for_twice_is_there_once(exposition: Exposition) -> None:
    assert exposition.get({"collect[]": ["intervals", "intervals"]}).body.decode() == GOLDEN


@pytest.mark.parametrize("asked", [["hourly"], ["intervals", "hourly"], [""], ["Intervals"], ["intervals,exporter"]])
def test_an_unknown_part_is_400_and_says_which_there_are(exposition: Exposition, asked: list[str]) -> None:
    answer = exposition.get({"collect[]": asked})
    assert answer.status == 400
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.body == b"unknown collect[], there are intervals and exporter\n"


@pytest.mark.parametrize("name", types_in(GOLDEN))
def test_a_timestamped_family_can_be_asked_for_by_name(exposition: Exposition, name: str) -> None:
    text = exposition.text(name=name)
    assert types_in(text) == [name]
    assert text in GOLDEN


@pytest.mark.parametrize("name", ["smarthub_up", "smarthub_refreshes_total", "smarthub_location_info", "python_info"])
def test_any_other_family_can_be_asked_for_by_name(exposition: Exposition, name: str) -> None:
    assert types_in(exposition.text(name=name)) == [name]


def test_several_names_give_several_families(exposition: Exposition) -> None:
    answer = exposition.get({"name[]": ["smarthub_up", KWH, "smarthub_location_info"]})
    assert sorted(types_in(answer.body.decode())) == [KWH, "smarthub_location_info", "smarthub_up"]


def test_a_name_and_a_part_must_both_fit(exposition: Exposition) -> None:
    assert exposition.text(collect="exporter", name=KWH) == ""
    assert exposition.text(collect="intervals", name="smarthub_up") == ""
    assert types_in(exposition.text(collect="intervals", name=KWH)) == [KWH]


def test_an_unknown_name_gives_an_empty_page_in_both_formats(exposition: Exposition) -> None:
    query = {"name[]": ["smarthub_nothing"]}
    assert exposition.get(query).body == b""
    assert exposition.get(query, accept=OPENMETRICS).body == b"# EOF\n"


# -- formats


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param("", TEXT, id="nothing said"),
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
def test_each_scraper_gets_the_format_that_it_asks_for(exposition: Exposition, accept: str, content_type: str) -> None:
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


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=abc",
        "text/plain;version=x.y",
        "application/openmetrics-text;version=1.0.x;q=y",
        "application/openmetrics-text;version=;escaping=;;=,,",
        ";;;",
        "\x80\xff",
    ],
)
def test_nonsense_that_is_accepted_gets_an_answer_all_the_same(exposition: Exposition, accept: str) -> None:
    assert exposition.get(accept=accept).status == 200


@pytest.mark.parametrize("version", ["1.0.7", "2.0.0", "9999"])
def test_no_version_is_claimed_that_there_is_not(exposition: Exposition, version: str) -> None:
    answer = exposition.get(accept=f"application/openmetrics-text;version={version}")
    assert answer.status == 200
    assert version not in answer.content_type


def test_what_clients_accept_does_not_fill_the_memory(exposition: Exposition) -> None:
    for number in range(100):
        exposition.get(accept=f"application/openmetrics-text;version=1.0.{number}")
    assert len(exposition.endpoint._rendered_steady) < 10


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


# -- packed


@pytest.mark.parametrize("accept", [VMAGENT, PROMETHEUS_3_5], ids=["text", "openmetrics"])
@pytest.mark.parametrize("part", ["intervals", "exporter", ""])
def test_a_packed_answer_is_one_gzip_member_equal_to_the_plain_one(
    exposition: Exposition, accept: str, part: str
) -> None:
    # A few fixed families of the exporter: what the process itself uses changes all the time.
    names = {"name[]": [KWH, "smarthub_up", "smarthub_refresh_failures_total"]}
    query = {**names, **({"collect[]": [part]} if part else {})}
    plain = exposition.get(query, accept=accept)
    packed = exposition.get(query, accept=accept, accept_encoding="gzip")
    assert "Content-Encoding" not in dict(plain.headers)
    assert dict(packed.headers)["Content-Encoding"] == "gzip"
    assert packed.content_type == plain.content_type
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    assert member.decompress(packed.body) + member.flush() == plain.body
    assert (member.eof, member.unused_data) == (True, b"")
    assert gzip.decompress(packed.body) == plain.body


def test_a_packed_whole_page_is_the_same_at_every_scrape(exposition: Exposition) -> None:
    query = {"collect[]": ["intervals"]}
    bodies = {exposition.get(query, accept_encoding="gzip").body for _ in range(3)}
    assert [gzip.decompress(body).decode() for body in bodies] == [GOLDEN]


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
def test_only_who_accepts_gzip_gets_it(exposition: Exposition, encodings: str, packed: bool) -> None:  # noqa: FBT001
    answer = exposition.get(accept_encoding=encodings)
    assert ("Content-Encoding" in dict(answer.headers)) is packed
    assert answer.body.startswith(b"\x1f\x8b") is packed


# -- over HTTP


def test_head_tells_the_length_and_the_type_of_what_get_gives(exposition: Exposition) -> None:
    with Server("127.0.0.1:0", exposition.endpoint) as server, requests.Session() as session:
        session.trust_env = False
        url = f"{server.url}/metrics?collect[]=intervals"
        got, head = session.get(url, timeout=5), session.head(url, timeout=5)
        plain = session.get(url, timeout=5, headers={"Accept-Encoding": "identity"})
        assert session.post(url, timeout=5).status_code == 405
        assert session.get(f"{server.url}/metrics?collect[]=x", timeout=5).status_code == 400
        assert session.head(f"{server.url}/metrics?collect[]=x", timeout=5).status_code == 400
    assert (got.status_code, got.text, got.headers["Content-Encoding"]) == (200, GOLDEN, "gzip")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Length", "Content-Type", "Content-Encoding", "Vary"):
        assert head.headers[name] == got.headers[name]
    assert int(plain.headers["Content-Length"]) == len(GOLDEN)


# -- the window


def kwh_samples(exposition: Exposition) -> int:
    return exposition.text(name=KWH).count("\nsmarthub_")


def test_the_page_is_rendered_anew_when_its_oldest_sample_leaves_the_window_without_any_refresh() -> None:
    exposition = Exposition(snapshot_of(Meter(MeterInfo("81001"), quarters(3))))
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


@pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "openmetrics"])
def test_no_sample_older_than_the_window_is_ever_on_the_page(accept: str) -> None:
    exposition = Exposition(snapshot_of(Meter(MeterInfo("81001"), quarters(8))))
    for quarter_second in range(-8, 40_000, 701):
        exposition.clock.move_to(T + WINDOW + quarter_second / 4)
        text = exposition.get({"collect[]": ["intervals"]}, accept=accept).body.decode()
        stamps = [
            float(sample.timestamp or 0)
            for metric in (read_openmetrics(text) if accept else parse_text(text))
            for sample in metric.samples
        ]
        assert all(stamp >= exposition.clock.now() - WINDOW - 0.001 for stamp in stamps)


def test_the_page_is_rendered_once_for_each_format_while_nothing_leaves(exposition: Exposition) -> None:
    def fetch() -> dict[str, bytes]:
        answers = {accept: exposition.get({"collect[]": ["intervals"]}, accept=accept) for accept in ("", OPENMETRICS)}
        return {accept: answer.body for accept, answer in answers.items()}

    bodies = fetch()
    rendered = dict(exposition.endpoint._rendered)
    exposition.clock.move_to(T - 1 + WINDOW)
    assert fetch() == bodies
    assert len(rendered) == 2
    assert all(exposition.endpoint._rendered[form] is page for form, page in rendered.items())
    exposition.clock.advance(1)
    assert fetch() != bodies
    assert not any(exposition.endpoint._rendered[form] is page for form, page in rendered.items())


def test_a_refresh_that_changes_the_snapshot_is_on_the_next_page(exposition: Exposition) -> None:
    exposition.snapshot = snapshot_of(Meter(MeterInfo("81001"), quarters(1)))
    assert exposition.text(name=KWH).splitlines()[-1] == (
        'smarthub_interval_usage_kwh{portal="novec",account="55001",location="70001",meter="81001"} 0.25 1795001399001'
    )
    exposition.snapshot = snapshot_of(Meter(MeterInfo("81001"), quarters(1, 0.5)))
    assert exposition.text(name=KWH).splitlines()[-1].endswith("} 0.5 1795001399001")


def test_the_latest_interval_is_kept_when_it_is_older_than_the_window(exposition: Exposition) -> None:
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
def test_whatever_changes_is_on_the_next_page(exposition: Exposition, accept: str) -> None:
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
    exposition.backfill_needed[KEY] = T
    pages.append(fetch())
    exposition.snapshot = Snapshot()
    pages.append(fetch())
    assert len(set(pages)) == len(pages) - 1


# -- before anything has happened


def test_all_known_series_are_there_before_the_first_refresh() -> None:
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
    ]


def test_what_is_stored_is_served_before_the_first_refresh_with_up_0(exposition: Exposition) -> None:
    stored = LocationStatus(up=False, message="the first refresh is under way")
    exposition.statuses["farm"] = replace(LoginStatus(), locations={KEY: stored})
    assert exposition.lines("smarthub_up") == ['smarthub_up{login="farm"} 0.0']
    assert exposition.lines("smarthub_location_up") == [
        'smarthub_location_up{account="55001",location="70001",portal="novec"} 0.0'
    ]
    assert kwh_samples(exposition) == len(SOLAR_METER.intervals)


# -- the warning for vmagent

LOST = (
    "vmagent or VictoriaMetrics fetches this page without collect[]: unless its job says honor_timestamps: true, all"
    " intervals are stored at the time of the scrape; use the two jobs of the README"
)


def test_vmagent_that_fetches_everything_is_warned_of_exactly_once(
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
def test_nobody_else_is_warned_of(
    exposition: Exposition, caplog: pytest.LogCaptureFixture, agent: str, query: dict[str, list[str]]
) -> None:
    exposition.get(query, user_agent=agent)
    assert caplog.records == []
