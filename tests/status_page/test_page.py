"""The status page as HTML: its content, its accessibility, and its security."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.formatting import midnight
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.refresh.status import LoginStatus
from exporter.simulator.settings import Span
from exporter.simulator.specs import MeterSpec
from exporter.simulator.world import World
from exporter.status_page.page import POLICY, STYLE, render
from exporter.status_page.summary import summarize

from ..support.clocks import ManualClock
from ..support.exporter import StartExporter
from ..support.html import Element, all_of, described, one, parsed, sections, words
from ..support.portal import StartPortal, login_of
from ..support.status import HOUR, NOON, full_day, location, login, snapshot_of
from ..support.worlds import ZONE

DAY = 86400
ONE = timedelta(days=1)
ROOT = Path(__file__).parents[2]
HOSTILE = '</style><script src="//evil.example/x.js">alert(1)</script>&"\'<!--'


def rendered(
    snapshot: Snapshot, statuses: Mapping[str, LoginStatus], now: float = NOON, path: str = "/metrics"
) -> Element:
    return parsed(render(summarize(snapshot, statuses, now, is_alive=True, backfill_needed={}), path))


def page_of(*locations: Location, **statuses: LoginStatus) -> Element:
    return rendered(snapshot_of(*locations), statuses or {"farm": login(*locations)})


def june(*days: int, usage: float = 10.0, export: float | None = None, cost: float | None = None) -> list[Interval]:
    return [full_day(date(2026, 6, day), usage, export, cost) for day in days]


def figures(element: Element) -> list[float]:
    """Return the exact values of all figures."""
    return [float(each.get("value") or "nan") for each in all_of(element, "data")]


FARM, BARN = location(*june(14), name="Farm"), location(number=70002, name="Barn", age=100 * HOUR)


# -- content


def test_the_house_comes_first_and_the_plumbing_last() -> None:
    page = page_of(FARM, BARN)
    assert words(one(page, "h1")) == words(one(page, "title")).partition(" – ")[0]  # noqa: RUF001 - a dash
    titles = [words(each) for each in all_of(page, "h2")]
    assert titles == ["Farm", "Barn", "Farm: charts", "Barn: charts", "Login"]
    assert one(page, "nav") in list(one(page, "footer").iter("nav"))


@pytest.mark.parametrize(
    ("status", "times"),
    [
        (
            login(FARM, next_refresh=NOON + 3000),
            {
                "Last refresh": "Mon Jun 15 11:50 EDT, 10 minutes ago",
                "Next refresh": "Mon Jun 15 12:50 EDT, in 50 minutes",
            },
        ),
        (
            replace(login(down={"no answer": [FARM]}, next_refresh=NOON - 120), last_success=NOON - 7200),
            {
                "Last refresh": "Mon Jun 15 11:50 EDT, 10 minutes ago",
                "Last success": "Mon Jun 15 10:00 EDT, 2 hours ago",
                "Next refresh": "refreshing now",
            },
        ),
        (LoginStatus(), {"Last refresh": "none yet", "Next refresh": "refreshing now"}),
    ],
)
def test_a_login_shows_its_refreshes(status: LoginStatus, times: dict[str, str]) -> None:
    page = page_of(FARM, farm=status)
    shown = sections(page)["Login"]
    assert words(one(shown, "h3")) == "farm"
    assert {name: " ".join(told) for name, told in described(shown)} == times


def test_a_failure_is_reported_once_and_known_data_stays() -> None:
    page = page_of(FARM, BARN, farm=login(down={"no answer": [FARM, BARN]}), cabin=login())
    assert words(page).count("No answer.") == 1
    assert words(one(page, "section", class_="verdict")).count("No answer.") == 1
    badges = [words(each) for each in all_of(sections(page)["Logins"], "span", class_="badge")]
    assert badges == ["Last refresh failed", "Working"]
    assert words(one(sections(page)["Farm"], "span", class_="badge")) == "Not refreshed"
    assert "10.00" in words(one(sections(page)["Farm"], "table"))


def test_a_location_that_cannot_be_encoded_is_left_out() -> None:
    (meter,) = BARN.meters
    unreadable = replace(BARN, meters=(replace(meter, info=replace(meter.info, number="8\ud800")),))
    page = page_of(FARM, unreadable)
    assert "Farm: charts" in sections(page)
    assert "Barn: charts" not in sections(page)
    nameless = replace(BARN, name="", key=replace(BARN.key, location="7\ud800"))
    page = page_of(nameless)
    assert words(one(page, "h1")) == "Data is stale: Location 7?"
    assert list(sections(page)) == ["Login"]


def test_a_location_leads_to_its_charts() -> None:
    page = page_of(FARM, location(*june(14), number=70002, name="Barn"))
    for place, name in enumerate(("Farm", "Barn")):
        (link,) = all_of(sections(page)[name], "a")
        target = (link.get("href") or "").removeprefix("#")
        assert one(sections(page)[f"{name}: charts"], "div", id=target) is not None
        assert target == f"c{place}-0"


@pytest.mark.parametrize(("meters", "are_open"), [(4, {True}), (5, {False})])
def test_the_charts_of_many_meters_are_folded(meters: int, are_open: set[bool]) -> None:
    page = page_of(*(location(number=70000 + each) for each in range(meters)))
    outer = [each for each in all_of(page, "details") if each.get("class") != "values"]
    assert {each.get("open") is not None for each in outer} == are_open


@pytest.mark.parametrize(("status", "seconds"), [(login(FARM), "300"), (LoginStatus(), "15")])
def test_the_page_reloads_itself(status: LoginStatus, seconds: str) -> None:
    (refresh,) = [each for each in all_of(page_of(FARM, farm=status), "meta") if each.get("http-equiv")]
    assert (refresh.get("http-equiv"), refresh.get("content")) == ("refresh", seconds)


def test_the_documents_that_the_page_names_exist() -> None:
    named = re.findall(r"[A-Za-z/-]+\.md", words(one(page_of(FARM), "footer")))
    assert {"README.md", "docs/troubleshooting.md"} <= {*named}
    assert all((ROOT / each).is_file() for each in named)


# -- compared with the truth


@pytest.mark.slow
@pytest.mark.parametrize("today", [date(2026, 3, 15), date(2026, 11, 8)])
def test_every_figure_is_right_across_clock_changes(
    today: date, clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    clock.move_to(midnight(today, ZONE) + 10.0 * HOUR)
    broken = today.replace(day=5)
    places, night = World().locations[:3], midnight(broken, ZONE)
    gaps = tuple(Span(place.meters[0].number, night, night + 2 * HOUR) for place in places)
    server = start_portal(World(), gaps=gaps, lag=2.0 * HOUR)
    exporter = start_exporter(login_of(server))
    exporter.refresh()
    shown = sections(rendered(exporter.store.snapshot, {}, clock.now()))

    def truth_between(meter: MeterSpec, start: int, end: int) -> list[float]:
        true = server.portal.truth(meter, start, end)
        return [value for value in (true.usage, true.export, true.cost) if value is not None]

    for place in places:
        (meter,) = place.meters
        (table, *_) = all_of(shown[f"{place.nickname}: charts"], "table")
        days = {
            date.fromisoformat(one(row, "time").get("datetime") or ""): figures(row)
            for row in all_of(one(table, "tbody"), "tr")
        }
        newest = midnight(today, ZONE) + 8 * HOUR
        for day, known in days.items():
            end = newest if day == today else midnight(day + ONE, ZONE)
            assert known == pytest.approx(truth_between(meter, midnight(day, ZONE), end), abs=2e-6)
        month = truth_between(meter, midnight(today.replace(day=1), ZONE), newest)
        assert len(days) > 30
        glance = one(shown[place.nickname], "table", class_="glance")
        assert figures(glance) == pytest.approx([*days[today], *days[today - ONE], *month], abs=1e-5)


# -- accessibility


def test_the_page_has_landmarks_and_headings_in_order() -> None:
    page = page_of(FARM, BARN)
    assert page.get("lang") == "en"
    for landmark in ("header", "main", "footer", "h1", "title"):
        one(page, landmark)
    assert one(page, "nav").get("aria-label")
    levels = [int(each.tag[1]) for each in page.iter() if re.fullmatch("h[1-6]", each.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for section in all_of(page, "section", class_="card"):
        assert one(page, "h2", id=section.get("aria-labelledby") or "") in list(section.iter("h2"))
    identities = [each.get("id") for each in page.iter() if each.get("id")]
    assert len(identities) == len(set(identities))


def test_every_table_and_chart_has_text_for_screen_readers() -> None:
    page = page_of(FARM, BARN)
    assert {each.get("scope") for each in all_of(page, "th")} == {"col", "row"}
    plots = all_of(page, "svg", class_="plot")
    assert len(plots) == 4
    assert all(each.get("role") == "img" and each.get("aria-label") for each in plots)
    assert all(each.get("aria-hidden") == "true" for each in all_of(page, "svg", class_="axis"))


def _luminance(color: str) -> float:
    digits = color.lstrip("#")
    digits = "".join(each * 2 for each in digits) if len(digits) == 3 else digits
    parts = [int(digits[each : each + 2], 16) / 255 for each in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 2], ids=["light", "dark"])
def test_all_text_and_charts_have_enough_contrast(scheme: int) -> None:
    style = STYLE.partition("@media (prefers-color-scheme:dark)")[scheme]
    colors = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", style))
    grounds = ("page", "card")
    pairs = [(text, ground, 4.5) for text in ("text", "soft", "used", "bad", "wait", "good") for ground in grounds]
    pairs += [(severity, f"{severity}-bg", 4.5) for severity in ("good", "wait", "bad")]
    pairs += [(bar, "card", 3.0) for bar in ("used", "exported", "cost", "zero")]
    for text, ground, least in pairs:
        dark, bright = sorted(_luminance(colors[each]) for each in (text, ground))
        assert (bright + 0.05) / (dark + 0.05) >= least, f"{text} on {ground}"


# -- security


def test_the_policy_allows_this_style_and_nothing_else() -> None:
    policy = {part.split()[0]: part.split()[1:] for part in POLICY.split(";")}
    assert policy == {
        "default-src": ["'none'"],
        "style-src": [f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    assert one(page_of(FARM), "style").text == STYLE


def test_nothing_on_the_page_would_be_blocked_or_fetched() -> None:
    for each in page_of(location(*june(14), export=0.2), BARN).iter():
        assert each.tag not in ("script", "img", "iframe", "object", "embed", "form", "base", "image", "use")
        assert "style" not in each.attrib
        assert not any(name.startswith("on") for name in each.attrib)
        for name in ("href", "src", "action", "{http://www.w3.org/1999/xlink}href"):
            assert (each.get(name) or "/").startswith(("/", "#", "data:image/svg+xml;base64,"))
    assert not re.search(r"@import|url\(|https?:", STYLE)


def test_the_icon_of_the_tab_shows_the_verdict() -> None:
    icons = {
        one(page_of(FARM, farm=status), "link", rel="icon").get("href") or ""
        for status in (login(FARM), LoginStatus(), login(down={"no answer": [FARM]}, failing_for=DAY))
    }
    assert len(icons) == 3
    for icon in icons:
        assert parsed(base64.b64decode(icon.partition(",")[2])).tag.endswith("svg")


def test_hostile_names_are_text_and_nothing_else() -> None:
    farm = location(*june(14, export=1.0, cost=1.0), name="Farm")
    harmless = {each.tag for each in page_of(farm, farm=login(down={"no answer": [farm]})).iter()}
    meter = replace(farm.meters[0], info=MeterInfo(HOSTILE))
    hostile = Location(LocationKey(HOSTILE, HOSTILE, HOSTILE), HOSTILE, HOSTILE, (meter,))
    page = page_of(hostile, farm=login(), **{HOSTILE: login(down={HOSTILE: [hostile]})})
    assert {each.tag for each in page.iter()} <= harmless
    # Portal, account, location and meter; the name of the location twice; login and failure, also in title and verdict.
    assert words(page).count(HOSTILE) == 10


def test_a_hostile_telemetry_path_stays_an_attribute() -> None:
    path = '/"><script>alert(1)</script>'
    page = rendered(Snapshot(), {}, path=path)
    assert [each.get("href") for each in all_of(page, "a")] == [path, "/-/healthy", "/-/ready"]


def test_ten_meters_in_both_directions_stay_below_a_megabyte() -> None:
    first = midnight(date(2026, 5, 11), ZONE)
    intervals = tuple(
        Interval(start, start + 900, (start // 900 % 40) / 50, 1, (start // 900 % 7) / 90, 1)
        for start in range(first, first + 36 * DAY, 900)
    )
    days = tuple(full_day(date(2026, 5, 11) + each * ONE, 30.0, 4.0, 3.5) for each in range(35))
    meter = Meter.of(MeterInfo("81001", exports=True), intervals, days)
    snapshot = snapshot_of(replace(FARM, meters=(meter,) * 10))
    seen = summarize(snapshot, {}, NOON, is_alive=True, backfill_needed={})
    assert len(render(seen, "/metrics")) < 1_000_000
