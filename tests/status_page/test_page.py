"""The status page as HTML: its content, its accessibility, and its security."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

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
from ..support.html import Element, all_of, described, one, parsed, rows, sections, words
from ..support.portal import StartPortal, login_of
from ..support.status import HOUR, NOON, full_day, location, login, snapshot_of
from ..support.worlds import ZONE

DAY = 86400
ONE = timedelta(days=1)
HOSTILE = '</style><script src="//evil.example/x.js">alert(1)</script>&"\'<!--'


def rendered(
    snapshot: Snapshot, statuses: Mapping[str, LoginStatus], now: float = NOON, path: str = "/metrics"
) -> Element:
    return parsed(render(summarize(snapshot, statuses, now, is_alive=True, backfill_needed={}), path))


def page_of(*locations: Location, **statuses: LoginStatus) -> Element:
    return rendered(snapshot_of(*locations), statuses or {"farm": login(*locations)})


def card_of(location: Location) -> Element:
    return sections(page_of(location))["Location 70001"]


def june(*days: int, usage: float = 10.0, export: float | None = None, cost: float | None = None) -> list[Interval]:
    return [full_day(date(2026, 6, day), usage, export, cost) for day in days]


def figures(element: Element) -> list[float]:
    """Return the exact values of all figures."""
    return [float(each.get("value") or "nan") for each in all_of(element, "data")]


FARM, BARN = location(*june(14), name="Farm"), location(number=70002, name="Barn", age=100 * HOUR)


# -- content


def test_the_page_starts_with_the_verdict_and_newest_data() -> None:
    older = location(number=70000, age=20 * HOUR)
    page = page_of(older, FARM)
    assert words(one(page, "h1")) == "All is well"
    assert words(one(page, "title")) == "All is well – SmartHub exporter"  # noqa: RUF001 - a dash
    verdict = one(page, "section", class_="verdict")
    assert verdict.get("class") == "verdict good"
    assert words(verdict) == "All is well Newest data: Mon Jun 15 10:00 EDT, 2 hours ago."


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
            login(down={"no answer": [FARM]}, next_refresh=NOON - 120),
            {
                "Last refresh": "Mon Jun 15 11:50 EDT, 10 minutes ago",
                "Last without a failure": "none since the start",
                "Next refresh": "under way, begun 2 minutes ago",
            },
        ),
        (LoginStatus(), {"Last refresh": "none yet", "Next refresh": "under way"}),
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
    assert one(page, "section", class_="verdict").get("class") == "verdict bad"
    badges = [words(each) for each in all_of(sections(page)["Logins"], "span", class_="badge")]
    assert badges == ["Last refresh failed", "Working"]
    assert words(one(sections(page)["Farm"], "span", class_="badge")) == "Not refreshed"
    assert dict(described(sections(page)["Farm"]))["Newest data"][0] == "2 hours old"


def test_a_meter_that_cannot_be_encoded_is_left_out() -> None:
    (meter,) = BARN.meters
    unreadable = replace(BARN, meters=(replace(meter, info=replace(meter.info, number="8\ud800")),))
    page = page_of(FARM, unreadable)
    assert "Farm" in sections(page)
    assert "Barn" not in sections(page)
    assert [row[0] for row in rows(sections(page)["Locations"])[1:]] == ["Farm"]
    nameless = replace(BARN, name="", key=replace(BARN.key, location="7\ud800"))
    assert words(one(page_of(nameless), "h1")) == "Data are stale: Location 7?"


def test_stale_data_looks_stale() -> None:
    card = sections(page_of(BARN))["Barn"]
    assert card.get("class") == "card bad"
    assert words(one(card, "p", class_="note")) == "Nothing newer for 4 days."
    tile = one(card, "div", class_="bad")
    assert words(tile) == "Newest data 4 days old 1,000 W drawn Thu Jun 11 07:45–08:00 EDT"  # noqa: RUF001


@pytest.mark.parametrize(
    ("days", "latest", "title", "month"),
    [
        ((), ["none yet"], "", []),
        (
            june(*range(1, 15), usage=31.5, export=1.5, cost=4.0),
            ["31.50 kWh", "1.50 kWh sent", "$4.00", "Sun Jun 14"],
            "June so far",
            ["441.00 kWh", "21.00 kWh sent", "$56.00", "Mon Jun 1 to Sun Jun 14, 14 whole days"],
        ),
        (
            [*june(5, cost=1.0), *june(6, 9)],
            ["10.00 kWh", "cost not known yet", "Tue Jun 9"],
            "June so far",
            [
                "30.00 kWh",
                "$1.00",
                (
                    "Fri Jun 5 to Tue Jun 9, 3 whole days; 2 days between missing or not whole; nothing whole before;"
                    " cost of 1 day only"
                ),
            ],
        ),
        (
            [full_day(date(2026, 5, day)) for day in (30, 31)],
            ["10.00 kWh", "Sun May 31"],
            "May",
            [
                "20.00 kWh",
                "Sat May 30 to Sun May 31, 2 whole days; nothing whole before; no whole day of June yet",
            ],
        ),
    ],
)
def test_the_latest_day_and_the_month_have_their_tiles(
    days: list[Interval], latest: list[str], title: str, month: list[str]
) -> None:
    card = card_of(location(*days, export=0.1))
    assert all_of(card, "span", class_="sent")
    tiles = dict(described(card))
    assert tiles.pop("Latest whole day") == latest
    newest = ["2 hours old", "1,000 W drawn, 400 W sent", "Mon Jun 15 09:45–10:00 EDT"]  # noqa: RUF001
    assert tiles == {**({title: month} if title else {}), "Newest data": newest}


def test_a_daily_meter_has_bars_and_no_power() -> None:
    meter = Meter.of(MeterInfo("81001", step=DAY), tuple(june(14)), tuple(june(14)))
    card = card_of(replace(location(), meters=(meter,)))
    assert [words(each) for each in all_of(card, "h3")] == ["Energy by day"]
    assert dict(described(card))["Newest data"] == ["12 hours old", "10.00 kWh drawn", "Sun Jun 14"]
    assert "read once a day" in words(one(card, "p", class_="sub"))


def test_a_submeter_names_the_meter_that_contains_it() -> None:
    (house,) = location().meters
    barn = replace(house, info=MeterInfo("B7001", parents=(house.info.number,)))
    page = page_of(replace(location(), meters=(house, barn)))
    said = [words(each) for each in all_of(page, "p", class_="sub")]
    assert [" · part of meter 870001 · " in each for each in said] == [False, True]


@pytest.mark.parametrize(
    ("known", "meter", "badge"),
    [
        (location(), " · meter 870001 · read every 15 minutes", "Up to date"),
        (replace(location(), meters=(Meter.of(MeterInfo("81001")),)), " · meter 81001", "No data"),
        (replace(location(), meters=()), "", "No data"),
    ],
)
def test_all_numbers_and_the_zone_are_named(known: Location, meter: str, badge: str) -> None:
    card = card_of(known)
    assert words(one(card, "p", class_="sub")) == (
        f"novec · account 55001 · location 70001{meter} · times in America/New_York"
    )
    assert words(one(card, "span", class_="badge")) == badge
    assert bool(all_of(card, "dl") + all_of(card, "figure")) == (badge == "Up to date")


@pytest.mark.parametrize(
    ("days", "table", "values"),
    [
        (
            [full_day(date(2026, 3, 8), 23.0, 0.5, -0.25), full_day(date(2026, 3, 9), 24.0, 0.0)],
            [
                ["Day", "Drawn, kWh", "Sent, kWh", "Cost, USD"],
                ["Mon Mar 9", "24.00", "0.00", "not known"],
                ["Sun Mar 8 (23 hours)", "23.00", "0.50", "-0.25"],
            ],
            [24.0, 0.0, 23.0, 0.5, -0.25],
        ),
        (june(14), [["Day", "Drawn, kWh"], ["Sun Jun 14", "10.00"]], [10.0]),
    ],
)
def test_the_table_has_every_day_newest_first(
    days: list[Interval], table: list[list[str]], values: list[float]
) -> None:
    shown = one(card_of(location(*days)), "table")
    assert words(one(shown, "caption")) == "Whole local days, newest first"
    assert (rows(shown), figures(shown)) == (table, values)


def test_several_meters_have_a_table_of_contents() -> None:
    page = page_of(FARM, BARN)
    table = one(page, "table", class_="index")
    assert rows(table) == [
        ["Location", "State", "Newest data", "Latest whole day"],
        ["Farm", "Up to date", "2 hours ago", "10.00 kWh"],
        ["Barn", "Stale", "4 days ago", "–"],  # noqa: RUF001 - a dash
    ]
    targets = [(each.get("href") or "").removeprefix("#") for each in all_of(table, "a")]
    assert [words(one(page, "h2", id=each)) for each in targets] == ["Farm", "Barn"]
    assert "Locations" not in sections(page_of(FARM))


@pytest.mark.parametrize(
    ("age", "title"),
    [
        (5.4 * DAY, "Power, last 7 days"),
        (5.5 * DAY, "Power, 7 days to Tue Jun 9"),
    ],
)
def test_missing_data_shows_as_a_gap_after_the_newest(age: float, title: str) -> None:
    card = card_of(location(age=age))
    assert words(all_of(card, "h3")[0]) == title
    assert all_of(card, "path", class_="drawn-line")
    assert all_of(card, "rect", class_="gap")


@pytest.mark.parametrize(("known", "shown"), [(1, 14), (20, 21), (40, 35)])
def test_bars_show_up_to_35_known_days(known: int, shown: int) -> None:
    days = [full_day(date(2026, 6, 15) - each * ONE) for each in range(known, 0, -1)]
    chart = all_of(card_of(location(*days)), "figure")[-1]
    assert len(all_of(one(chart, "g", class_="hover"), "rect")) == shown


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

    def truth(meter: MeterSpec, first: date, end: date) -> list[float]:
        true = server.portal.truth(meter, midnight(first, ZONE), midnight(end, ZONE))
        return [value for value in (true.usage, true.export, true.cost) if value is not None]

    for place in places:
        (meter,) = place.meters
        days = {
            date.fromisoformat(one(row, "time").get("datetime") or ""): figures(row)
            for row in all_of(one(shown[place.nickname], "tbody"), "tr")
        }
        assert days == {day: truth(meter, day, day + ONE) for day in days}
        assert len(days) > 30
        assert broken not in days
        whole, missing = truth(meter, today.replace(day=1), today), truth(meter, broken, broken + ONE)
        tiles = days[today - ONE] + [each - gone for each, gone in zip(whole, missing, strict=True)]
        assert figures(one(shown[place.nickname], "dl")) == pytest.approx(tiles, abs=1e-6)


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
    assert len(plots) == 3
    assert all(each.get("role") == "img" and each.get("aria-label") for each in plots)
    assert all(each.get("aria-hidden") == "true" for each in all_of(page, "svg", class_="axis"))


def _luminance(color: str) -> float:
    digits = color.lstrip("#")
    digits = "".join(each * 2 for each in digits) if len(digits) == 3 else digits
    parts = [int(digits[each : each + 2], 16) / 255 for each in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 2], ids=["light", "dark"])
def test_all_text_has_enough_contrast(scheme: int) -> None:
    style = STYLE.partition("@media (prefers-color-scheme:dark)")[scheme]
    colors = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", style))
    pairs = [(text, ground) for text in ("text", "soft", "drawn", "sent", "bad") for ground in ("page", "card")]
    pairs += [(severity, f"{severity}-bg") for severity in ("good", "wait", "bad")]
    for text, ground in [*pairs, ("wait", "card"), ("good", "page")]:
        dark, bright = sorted(_luminance(colors[each]) for each in (text, ground))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, f"{text} on {ground}"


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
        for status in (login(FARM), LoginStatus(), login(down={"no answer": [FARM]}))
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
    # Portal, account, location, meter, its name, login and failure; the login once more in title and verdict.
    assert words(page).count(HOSTILE) == 9


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
