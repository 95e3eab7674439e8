"""The status page as HTML: what is to be read, by whom, and what it can never be made to do."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest

from exporter.formatting import midnight
from exporter.intervals.model import Interval, Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.intervals.samples import version
from exporter.refresh.status import Failure, FailureKind, LocationStatus, LoginStatus
from exporter.simulator.household import Household
from exporter.simulator.specs import LocationSpec, MeterSpec, Resolution
from exporter.simulator.world import World
from exporter.status_page import card
from exporter.status_page.page import POLICY, STYLE, StatusPage

from ..support.clocks import ManualClock
from ..support.exporter import Exporter, StartExporter
from ..support.html import Element, all_of, described, one, parsed, rows, sections, words
from ..support.portal import StartPortal, login_of
from ..support.worlds import ZONE

HOUR, DAY = 3600, 86400
HOSTILE = '</style><script src="//evil.example/x.js">alert(1)</script>&"\'<!--'


def at(day: date, hour: float = 0) -> int:
    return midnight(day, ZONE) + int(hour * HOUR)


NOON = at(date(2026, 6, 15), 12)


def whole(day: date, usage: float, **values: float) -> Interval:
    return Interval(midnight(day, ZONE), midnight(date.fromordinal(day.toordinal() + 1), ZONE), usage, **values)  # type: ignore[arg-type]


def house(*days: Interval, number: int = 70001, name: str = "", age: float = 2 * HOUR, **values: float) -> Location:
    """A location of one meter with one interval of this age, and whole days."""
    end = NOON - int(age)
    newest = Interval(end - 900, end, **{"usage": 0.25, **values})  # type: ignore[arg-type]
    meter = Meter(MeterInfo(f"8{number}"), (newest,), days)
    return Location(LocationKey("novec", "55001", str(number)), name, "America/New_York", (meter,))


def login(*locations: Location, failed: str = "", **more: object) -> LoginStatus:
    failure = Failure(FailureKind.FAILED, failed) if failed else None
    status = LoginStatus(
        up=not failed,
        failures=(failure,) if failure else (),
        last_refresh=NOON - 600,
        last_success=0.0 if failed else NOON - 600,
        next_refresh=NOON + 3000,
        locations={each.key: LocationStatus(not failed, failure) for each in locations},
    )
    return replace(status, **more)  # type: ignore[arg-type]


def page_of(*locations: Location, path: str = "/metrics", is_alive: bool = True, **statuses: LoginStatus) -> Element:
    snapshot = Snapshot({each.key: each for each in locations})
    logins = statuses or {"farm": login(*locations)}
    return parsed(StatusPage(path).render(snapshot, logins, NOON, is_alive=is_alive))


def of(exporter: Exporter, clock: ManualClock) -> Element:
    statuses = {each.login.name: each.status for each in exporter.logins}
    return parsed(StatusPage("/metrics").render(exporter.store.snapshot, statuses, clock.now()))


def tiles(section: Element) -> dict[str, list[str]]:
    return dict(described(section))


def times_of(login: Element) -> dict[str, str]:
    return {name: " ".join(said) for name, said in described(login)}


# -- what is to be read


def test_the_page_begins_with_how_all_is() -> None:
    page = page_of(house(name="Farm"))
    assert words(one(page, "h1")) == "All is well"
    assert words(one(page, "title")) == "All is well – SmartHub exporter"  # noqa: RUF001 - a dash
    verdict = one(page, "section", class_="verdict")
    assert verdict.get("class") == "verdict good"
    assert "Newest data: Mon Jun 15 10:00 EDT, 2 hours ago." in words(verdict)


def test_a_login_tells_its_refreshes_by_the_clock_of_its_co_op() -> None:
    logins = sections(page_of(house()))["Login"]
    assert words(one(logins, "h3")) == "farm"
    assert words(one(logins, "span", class_="badge")) == "Working"
    assert times_of(logins) == {
        "Last refresh": "Mon Jun 15 11:50 EDT, 10 minutes ago",
        "Next refresh": "Mon Jun 15 12:50 EDT, in 50 minutes",
    }
    assert [each.get("datetime") for each in all_of(logins, "time")] == [
        "2026-06-15T11:50:00-04:00",
        "2026-06-15T12:50:00-04:00",
    ]


def test_a_refresh_whose_time_has_come_is_under_way() -> None:
    farm = house()
    page = page_of(farm, farm=login(farm, next_refresh=NOON - 120.0))
    assert times_of(sections(page)["Login"])["Next refresh"] == "under way, begun 2 minutes ago"


def test_before_the_first_refresh_there_is_nothing_but_that_it_is_under_way() -> None:
    page = page_of(farm=LoginStatus())
    assert words(one(page, "h1")) == "The first refresh is under way"
    assert times_of(sections(page)["Login"]) == {"Last refresh": "none yet", "Next refresh": "under way"}
    assert not all_of(page, "figure")


def test_a_failure_is_told_once_and_what_was_known_stays() -> None:
    farm, barn = house(name="Farm"), house(number=70002, name="Barn")
    failed = "the portal refused user name or password; correct the configuration"
    page = page_of(farm, barn, farm=login(farm, barn, failed=failed))
    assert words(page).count("The portal refused user name or password; correct the configuration.") == 1
    assert words(one(page, "h1")) == "Last refresh failed"
    assert one(page, "section", class_="verdict").get("class") == "verdict bad"
    assert times_of(sections(page)["Login"])["Last without a failure"] == "none since the start"
    assert [words(each) for each in all_of(sections(page)["Barn"], "span", class_="badge")] == ["Not refreshed"]
    assert "Up to date" not in words(page)
    assert tiles(sections(page)["Farm"])["Newest data"][0] == "2 hours old"


def test_each_login_has_its_state() -> None:
    farm, barn = house(name="Farm"), house(number=70002, name="Barn")
    page = page_of(farm, barn, farm=login(farm), cabin=login(barn, failed="no answer"))
    logins = sections(page)["Logins"]
    assert [words(each) for each in all_of(logins, "h3")] == ["farm", "cabin"]
    assert [words(each) for each in all_of(logins, "span", class_="badge")] == ["Working", "Last refresh failed"]
    assert words(one(page, "h1")) == "cabin: Last refresh failed"


def test_what_fails_only_for_some_names_them_but_not_a_hundred() -> None:
    many = [house(number=70000 + each) for each in range(100)]
    failing = login(*many, failed="no answer")
    status = replace(failing, locations={**failing.locations, many[0].key: LocationStatus(up=True)})
    logins = sections(page_of(*many, farm=status))["Login"]
    assert "No answer. Concerns Location 70001, Location 70002, Location 70003, Location 70004 and 95 more." in words(
        logins
    )


def test_stale_data_look_stale() -> None:
    farm = house(name="Farm", age=100 * HOUR)
    page = page_of(farm)
    section = sections(page)["Farm"]
    assert words(one(page, "h1")) == "Data are stale: Farm"
    assert "bad" in (section.get("class") or "").split()
    assert words(one(section, "p", class_="note")) == "Nothing newer for 4 days."
    tile = next(each for each in all_of(section, "div", class_="bad"))
    assert words(tile) == "Newest data 4 days old 1,000 W drawn Thu Jun 11 07:45–08:00 EDT"  # noqa: RUF001


def test_the_latest_day_and_the_month_have_energy_and_cost_with_their_units() -> None:
    days = [whole(date(2026, 6, each), 30.0 + each, export=1.5, cost=4.0) for each in range(1, 15)]
    said = tiles(sections(page_of(house(*days, export=0.1)))["Location 70001"])
    assert said["Latest whole day"] == ["44.00 kWh", "1.50 kWh sent", "$4.00", "Sun Jun 14"]
    assert said["June so far"] == [
        *("525.00 kWh", "21.00 kWh sent", "$56.00"),
        "Mon Jun 1 to Sun Jun 14, 14 whole days",
    ]
    assert said["Newest data"] == ["2 hours old", "1,000 W drawn, 400 W sent", "Mon Jun 15 09:45–10:00 EDT"]  # noqa: RUF001


def test_a_month_says_from_when_it_is_known_and_what_is_missing() -> None:
    days = [
        whole(date(2026, 6, 5), 10.0, cost=1.0),
        whole(date(2026, 6, 6), 10.0),
        whole(date(2026, 6, 9), 10.0),
    ]
    said = tiles(sections(page_of(house(*days)))["Location 70001"])
    assert said["Latest whole day"] == ["10.00 kWh", "cost not known yet", "Tue Jun 9"]
    extent = (
        "Fri Jun 5 to Tue Jun 9, 3 whole days; 2 days between missing or not whole; nothing whole before; cost of 1 day"
        " only"
    )
    assert said["June so far"] == [
        "30.00 kWh",
        "$1.00",
        extent,
    ]


def test_at_the_beginning_of_a_month_the_last_one_is_not_called_the_present_one() -> None:
    days = [whole(date(2026, 5, each), 10.0) for each in (30, 31)]
    said = tiles(sections(page_of(house(*days)))["Location 70001"])
    assert said["May"][-1] == "Sat May 30 to Sun May 31, 2 whole days; nothing whole before; no whole day of June yet"


def test_a_meter_without_a_whole_day_says_so() -> None:
    section = sections(page_of(house()))["Location 70001"]
    assert tiles(section)["Latest whole day"] == ["none yet"]
    assert len(all_of(section, "figure")) == 1
    assert not all_of(section, "table")


def test_a_meter_that_is_read_once_a_day_has_bars_and_no_power() -> None:
    day = whole(date(2026, 6, 14), 24.0)
    meter = Meter(MeterInfo("81001", step=DAY), (day,), (day,))
    farm = replace(house(), meters=(meter,))
    section = sections(page_of(farm))["Location 70001"]
    assert [words(each) for each in all_of(section, "h3")] == ["Energy by day"]
    assert tiles(section)["Newest data"] == ["12 hours old", "24.00 kWh drawn", "Sun Jun 14"]
    assert "read once a day" in words(one(section, "p", class_="sub"))


def test_numbers_of_account_location_and_meter_and_the_zone_are_named() -> None:
    section = sections(page_of(house(name="Farm")))["Farm"]
    assert words(one(section, "p", class_="sub")) == (
        "novec · account 55001 · location 70001 · meter 870001 · read every 15 minutes · times in America/New_York"
    )


def test_the_table_has_every_whole_day_newest_first_and_leaves_nothing_out() -> None:
    days = [
        whole(date(2026, 3, 8), 23.0, export=0.5, cost=-0.25),
        whole(date(2026, 3, 9), 24.0, export=0.0),
    ]
    table = one(sections(page_of(house(*days)))["Location 70001"], "table")
    assert words(one(table, "caption")) == "Whole local days, newest first"
    assert rows(table) == [
        ["Day", "Drawn, kWh", "Sent, kWh", "Cost, USD"],
        ["Mon Mar 9", "24.00", "0.00", "not known"],
        ["Sun Mar 8 (23 hours)", "23.00", "0.50", "-0.25"],
    ]
    assert [each.get("value") for each in all_of(table, "data")] == ["24.0", "0.0", "23.0", "0.5", "-0.25"]


def test_columns_that_a_meter_does_not_have_are_not_there() -> None:
    table = one(sections(page_of(house(whole(date(2026, 6, 14), 5.0))))["Location 70001"], "table")
    assert rows(table) == [["Day", "Drawn, kWh"], ["Sun Jun 14", "5.00"]]


def test_several_meters_have_a_table_of_contents() -> None:
    farm, barn = house(whole(date(2026, 6, 14), 5.0), name="Farm"), house(number=70002, name="Barn", age=100 * HOUR)
    table = one(sections(page_of(farm, barn))["Locations"], "table")
    assert rows(table) == [
        ["Location", "State", "Newest data", "Latest whole day"],
        ["Farm", "Up to date", "2 hours ago", "5.00 kWh"],
        ["Barn", "Stale", "4 days ago", "–"],  # noqa: RUF001 - a dash
    ]
    page = page_of(farm, barn)
    targets = [(each.get("href") or "").removeprefix("#") for each in all_of(one(page, "table", class_="index"), "a")]
    assert [words(one(page, "h2", id=each)) for each in targets] == ["Farm", "Barn"]
    assert "Locations" not in sections(page_of(farm))


@pytest.mark.parametrize(
    ("age", "title"),
    [(2 * HOUR, "Power, last 7 days"), (5 * DAY, "Power, last 7 days"), (10 * DAY, "Power, 7 days to Fri Jun 5")],
)
def test_a_silence_shows_in_the_chart_of_power_as_long_as_there_is_something_else_in_it(age: float, title: str) -> None:
    section = sections(page_of(house(age=age)))["Location 70001"]
    assert words(all_of(section, "h3")[0]) == title
    assert all_of(section, "path", class_="drawn-line")
    assert all_of(section, "rect", class_="gap")


def test_bars_reach_back_as_far_as_days_are_known_but_not_beyond_35() -> None:
    for known, shown in ((1, 14), (20, 21), (40, 35)):
        days = [whole(date.fromordinal(date(2026, 6, 15).toordinal() - each), 5.0) for each in range(known, 0, -1)]
        chart = all_of(page_of(house(*days)), "figure")[-1]
        assert len(all_of(one(chart, "g", class_="hover"), "g")) - 1 == shown


# -- against what is true


def test_every_figure_is_that_of_the_portal(
    clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    server = start_portal(World(), lag=2.0 * HOUR)
    exporter = start_exporter(login_of(server))
    exporter.refresh()
    shown = sections(of(exporter, clock))
    yesterday, first = date(2026, 1, 13), date(2026, 1, 1)
    for place in World().locations[:3]:
        (meter,) = place.meters
        day = server.portal.truth(meter, midnight(yesterday, ZONE), midnight(date(2026, 1, 14), ZONE))
        month = server.portal.truth(meter, midnight(first, ZONE), midnight(date(2026, 1, 14), ZONE))
        section = shown[place.nickname]
        for name, truth in (("Latest whole day", day), ("January so far", month)):
            group = next(each for each in all_of(section, "div") if words(each).startswith(name))
            wanted = [value for value in (truth.usage, truth.export, truth.cost) if value is not None]
            assert [float(each.get("value") or "") for each in all_of(group, "data")] == pytest.approx(wanted, abs=1e-6)
        table = one(section, "table")
        for row in all_of(one(table, "tbody"), "tr"):
            start = date.fromisoformat(one(row, "time").get("datetime") or "")
            bounds = (midnight(each, ZONE) for each in (start, date.fromordinal(start.toordinal() + 1)))
            truth = server.portal.truth(meter, *bounds)
            wanted = [value for value in (truth.usage, truth.export, truth.cost) if value is not None]
            assert [float(each.get("value") or "") for each in all_of(row, "data")] == wanted


def test_meters_by_the_month_have_their_place_without_figures(
    clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    monthly = LocationSpec("55001", "70001", (MeterSpec("81001", Household(1), resolution=Resolution.MONTHS),))
    exporter = start_exporter(login_of(start_portal(World(locations=(monthly,)))))
    exporter.refresh()
    page = of(exporter, clock)
    section = sections(page)["Location 70001"]
    assert words(one(page, "h1")) == "No data"
    assert not all_of(section, "figure")
    assert "some meters are read by the month only" in words(section)


# -- who reads it


def test_the_page_has_landmarks_a_language_and_headings_in_order() -> None:
    farm, barn = house(whole(date(2026, 6, 14), 5.0), name="Farm"), house(number=70002, name="Barn")
    page = page_of(farm, barn)
    assert page.get("lang") == "en"
    for landmark in ("header", "nav", "main", "footer", "h1", "title"):
        one(page, landmark)
    assert one(page, "nav").get("aria-label")
    levels = [int(each.tag[1]) for each in page.iter() if re.fullmatch("h[1-6]", each.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for section in all_of(page, "section", class_="card"):
        assert one(page, "h2", id=section.get("aria-labelledby") or "") in list(section.iter("h2"))
    identities = [each.get("id") for each in page.iter() if each.get("id")]
    assert len(identities) == len(set(identities))


def test_every_table_and_every_chart_can_be_heard() -> None:
    page = page_of(house(whole(date(2026, 6, 14), 5.0)), house(number=70002))
    for table in all_of(page, "table"):
        assert all(each.get("scope") in ("col", "row") for each in all_of(table, "th"))
    plots = all_of(page, "svg", class_="plot")
    assert plots
    assert all(each.get("role") == "img" and each.get("aria-label") for each in plots)
    assert all(each.get("aria-hidden") == "true" for each in all_of(page, "svg", class_="axis"))


def _colours(style: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", style))


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(each * 2 for each in digits) if len(digits) == 3 else digits
    parts = [int(digits[each : each + 2], 16) / 255 for each in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_is_dark_enough_on_what_it_stands_on(scheme: str) -> None:
    light, _, rest = STYLE.partition("@media (prefers-color-scheme:dark)")
    colours = _colours(light if scheme == "light" else rest)
    pairs = [(text, ground) for text in ("text", "soft", "drawn", "sent", "bad") for ground in ("page", "card")]
    pairs += [(severity, f"{severity}-bg") for severity in ("good", "wait", "bad")] + [
        ("wait", "card"),
        ("good", "page"),
    ]
    for text, ground in pairs:
        bright, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, f"{text} on {ground}"


# -- what it can never do


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
    page = page_of(house())
    assert one(page, "style").text == STYLE


def test_nothing_on_the_page_would_be_blocked_or_fetched() -> None:
    page = page_of(house(whole(date(2026, 6, 14), 5.0), export=0.2), house(number=70002))
    for each in page.iter():
        assert each.tag not in ("script", "img", "iframe", "object", "embed", "form", "base", "image", "use")
        assert "style" not in each.attrib
        assert not any(name.startswith("on") for name in each.attrib)
        for name in ("href", "src", "action", "{http://www.w3.org/1999/xlink}href"):
            assert (each.get(name) or "/").startswith(("/", "#", "data:image/svg+xml;base64,"))
    assert not re.search(r"@import|url\(|https?:", STYLE)


def test_the_icon_of_the_tab_tells_the_state() -> None:
    def icon(page: Element) -> str:
        return base64.b64decode((one(page, "link", rel="icon").get("href") or "").partition(",")[2]).decode()

    farm = house()
    shown = [icon(page_of(farm, farm=each)) for each in (login(farm), LoginStatus(), login(farm, failed="no"))]
    assert len(set(shown)) == 3
    assert all(parsed(each).tag.endswith("svg") for each in shown)


def test_hostile_names_are_text_and_nothing_else() -> None:
    farm = house(whole(date(2026, 6, 14), 5.0, cost=1.0, export=1.0))
    harmless = {each.tag for each in page_of(farm).iter()}
    key = LocationKey(HOSTILE, HOSTILE, HOSTILE)
    meter = replace(farm.meters[0], info=MeterInfo(HOSTILE))
    hostile = Location(key, HOSTILE, HOSTILE, (meter,))
    statuses = {HOSTILE: login(hostile, failed=HOSTILE)}
    page = parsed(StatusPage("/metrics").render(Snapshot({key: hostile}), statuses, NOON))
    assert {each.tag for each in page.iter()} <= harmless | {"ul", "li"}
    assert words(page).count(HOSTILE) >= 6


def test_a_hostile_telemetry_path_stays_an_attribute() -> None:
    path = '/"><script>alert(1)</script>'
    assert path in [each.get("href") for each in all_of(page_of(path=path), "a")]


# -- as often as somebody likes


def busy(meters: int, *, at_once: float = NOON) -> Snapshot:
    """So many meters with 35 days of quarter hours in both directions."""
    first = date(2026, 5, 11)
    bounds = [midnight(date.fromordinal(first.toordinal() + each), ZONE) for each in range(36)]
    intervals = tuple(
        Interval(
            start,
            start + 900,
            (start // 900 % 40) / 50,
            version(start + 900, at_once),
            (start // 900 % 7) / 90,
            1,
            0.03,
            1,
        )
        for start in range(bounds[0], bounds[-1], 900)
    )
    days = tuple(Interval(start, end, 30.0, 1, 4.0, 1, 3.5, 1) for start, end in pairwise(bounds))
    places: dict[LocationKey, Location] = {}
    for each in range(meters):
        key = LocationKey("novec", "55001", str(70000 + each))
        meter = Meter(MeterInfo(str(81000 + each), exports=True), intervals, days)
        places[key] = Location(key, f"Place {each}", "America/New_York", (meter,))
    return Snapshot(places)


def test_ten_meters_in_both_directions_stay_below_a_megabyte() -> None:
    assert len(StatusPage("/metrics").render(busy(10), {}, NOON)) < 1_000_000


def test_of_a_hundred_meters_each_is_drawn_once_however_often_the_page_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: Counter[str] = Counter()
    for name in ("power_chart", "energy_chart"):
        draw = getattr(card, name)

        def counted(*arguments: object, draw: Callable[..., str] = draw, name: str = name) -> str:
            drawn[name] += 1
            return draw(*arguments)

        monkeypatch.setattr(card, name, counted)
    page, snapshot = StatusPage("/metrics"), busy(100)
    first = page.render(snapshot, {}, NOON)
    once = {"power_chart": 100, "energy_chart": 100}
    assert drawn == once
    again = page.render(snapshot, {}, NOON + 1.0)
    assert drawn == once
    assert len(again) == pytest.approx(len(first), rel=0.01)
    assert len(first) < 5_000_000


def test_what_changes_is_drawn_anew_and_what_is_gone_is_forgotten() -> None:
    page, snapshot = StatusPage("/metrics"), busy(2)
    before = page.render(snapshot, {}, NOON)
    key, place = next(iter(snapshot.locations.items()))
    changed = replace(place.meters[0], days=(whole(date(2026, 6, 14), 77.0),))
    after = page.render(snapshot.with_location(replace(place, meters=(changed,))), {}, NOON)
    assert b"77.00 kWh" not in before
    assert b"77.00 kWh drawn" in after
    page.render(snapshot.keep_only([key]), {}, NOON)
    assert len(page._cards._charts._known) == len(page._figures._known) == 1


def test_the_charts_move_on_with_time_though_nothing_changes() -> None:
    page, snapshot = StatusPage("/metrics"), Snapshot({(farm := house()).key: farm})

    def gap(now: float) -> str | None:
        return all_of(parsed(page.render(snapshot, {}, now)), "rect", class_="gap")[-1].get("width")

    assert gap(NOON) == gap(NOON + 60) != gap(NOON + 1000)
    assert gap(NOON + 1000) != gap(NOON + DAY)
