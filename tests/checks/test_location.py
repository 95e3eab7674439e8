"""The steps of `check` that concern one location, against what is true of the simulated meters."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.checks.findings import Bars, CheckItem
from exporter.intervals.model import DAILY
from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Dst, Poll, Span
from exporter.simulator.specs import Channels, MeterSpec, Resolution
from exporter.simulator.world import World

from ..support.check_reports import check_of, lines
from ..support.clocks import ManualClock
from ..support.portal import StartPortal, login_of
from ..support.worlds import DAY, HOUSE, METER, NOW, WALL, ZONE

HOUR = 3600
TODAY = WALL.day(NOW).start
HEADING = '# Location 70001 of account 55001 "House"'
HOURLY = "ok resolution: meter 81001: usage, cost every hour (FORWARD)"
FRESH = "ok newest data: until 2026-01-14 12:00, 0 seconds ago"
SUNNY = Household(2, heating=0.2, solar=6.5)
ASK_FOR_THEM = (
    "see whether the portal's own page has these hours; if not, the co-op may still post them, or be asked to"
)
DIFFERS = "the portal may still be correcting these days: look again tomorrow"

Start = Callable[..., PortalServer]


@pytest.fixture
def start(start_portal: StartPortal) -> Start:
    """Starts a portal of one house: start({"step": 900}, lag=3600.0) has a meter of our own."""

    def start_it(meter: dict[str, object] | None = None, **switches: object) -> PortalServer:
        spec = replace(METER, **(meter or {}))  # type: ignore[arg-type]
        history = switches.pop("history", None)
        return start_portal(World(locations=(replace(HOUSE, meters=(spec,)),)), history, **switches)

    return start_it


def parts_of(server: PortalServer, clock: ManualClock) -> list[CheckItem]:
    """What is said from the heading of the first location on."""
    parts = list(check_of(login_of(server), clock).run())
    first = next((index for index, line in enumerate(lines(parts)) if line.startswith("# Location")), len(parts))
    return parts[first:]


def said(server: PortalServer, clock: ManualClock) -> list[str]:
    return lines(parts_of(server, clock))


def step_of(server: PortalServer, clock: ManualClock, step: str) -> list[str]:
    return [line for line in said(server, clock) if f" {step}: " in line]


def bars_of(server: PortalServer, clock: ManualClock) -> list[Bars]:
    return [part for part in parts_of(server, clock) if isinstance(part, Bars)]


def spec_of(server: PortalServer) -> MeterSpec:
    return server.portal.world.locations[0].meters[0]


def true_hours(server: PortalServer, start: int, end: int, what: str = "usage") -> list[float]:
    """What is true of each hour, to the six decimals that are served."""
    truths = [server.portal.truth(spec_of(server), hour, hour + HOUR) for hour in range(start, end, HOUR)]
    return [getattr(truth, what) for truth in truths]


def adds_up(days: str) -> str:
    return f"ok day totals: meter 81001: the intervals of {days} add up to the portal's own daily figures"


# -- everything of a location


def test_each_step_says_what_there_is_and_the_sums_are_true(start: Start, clock: ManualClock) -> None:
    server = start()
    day = server.portal.truth(METER, TODAY - DAY, TODAY)
    assert said(server, clock) == [
        HEADING,
        HOURLY,
        FRESH,
        adds_up("7 days"),
        f"| Meter 81001, Tuesday 2026-01-13: {day.usage:.2f} kWh drawn, ${day.cost:.2f}",
    ]


def test_the_bars_are_the_hours_of_the_last_complete_day(start: Start, clock: ManualClock) -> None:
    server = start({"step": 900})
    (bars,) = bars_of(server, clock)
    assert [label for label, _ in bars.bars] == [f"{hour:02}" for hour in range(24)]
    assert [value for _, value in bars.bars] == pytest.approx(true_hours(server, TODAY - DAY, TODAY), abs=1e-9)


def test_several_meters_of_a_location_are_told_one_after_the_other(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    barn = MeterSpec("81002", Household(5), step=900, cost=False, periods=True)
    server = start_portal(World(locations=(replace(HOUSE, nickname="", meters=(METER, barn)),)))
    assert [line.partition(": ")[0] for line in said(server, clock)] == [
        "# Location 70001 of account 55001",
        "ok resolution",
        "ok resolution",
        "ok newest data",
        "ok day totals",
        "ok day totals",
        "| Meter 81001, Tuesday 2026-01-13",
        "| Meter 81002, Tuesday 2026-01-13",
    ]
    assert said(server, clock)[2] == ("ok resolution: meter 81002: usage, 3 rate periods every 15 minutes (FORWARD)")


# -- the resolution


@pytest.mark.parametrize(
    ("meter", "what"),
    [
        ({"step": 300}, "usage, cost every 5 minutes (FORWARD)"),
        ({"step": 900}, "usage, cost every 15 minutes (FORWARD)"),
        ({"step": 1800}, "usage, cost every 30 minutes (FORWARD)"),
        ({"cost": False}, "usage every hour (FORWARD)"),
        ({"cost": False, "periods": True}, "usage, 3 rate periods every hour (FORWARD)"),
        ({"channels": Channels.TOTAL}, "usage, cost every hour (TOTAL)"),
        ({"channels": Channels.UNNAMED}, "usage, cost every hour"),
        ({"channels": Channels.UNKNOWN}, "usage, cost every hour (SIDEWAYS)"),
        ({"channels": Channels.FORWARD_REVERSE}, "usage, export, cost every hour (FORWARD, REVERSE)"),
        ({"channels": Channels.THREE}, "usage, export, cost every hour (FORWARD, NET, REVERSE)"),
        ({"resolution": Resolution.DAYS}, "usage, cost once a day (FORWARD)"),
    ],
)
def test_the_resolution_says_what_a_meter_gives_and_how_often(
    start: Start, clock: ManualClock, meter: dict[str, object], what: str
) -> None:
    assert step_of(start(meter), clock, "resolution") == [f"ok resolution: meter 81001: {what}"]


def test_a_meter_without_data_beside_one_with_data_is_a_warning(start_portal: StartPortal, clock: ManualClock) -> None:
    idle = MeterSpec("81002", Household(5), step=3600)
    server = start_portal(World(locations=(replace(HOUSE, meters=(METER, idle)),)), gaps=(Span("81002", 0, NOW + DAY),))
    assert step_of(server, clock, "resolution") == [HOURLY, "warning resolution: meter 81002 has no data"]


# -- the newest data

OLD = "see whether the portal's own page has newer data; if not, the co-op has to read the meter"


@pytest.mark.parametrize(
    ("hours", "line"),
    [
        (0, FRESH),
        (1, "ok newest data: until 2026-01-14 11:00, 1 hour ago"),
        (30, "ok newest data: until 2026-01-13 06:00, 1 day 6 hours ago"),
        (72, "ok newest data: until 2026-01-11 12:00, 3 days ago"),
        (73, f"warning newest data: until 2026-01-11 11:00, 3 days 1 hour ago -> {OLD}"),
        (9 * 24, f"warning newest data: until 2026-01-05 12:00, 9 days ago -> {OLD}"),
    ],
)
def test_data_are_stale_after_three_days(start: Start, clock: ManualClock, hours: int, line: str) -> None:
    assert step_of(start(lag=hours * 3600.0), clock, "newest data") == [line]


def test_data_older_than_a_week_are_looked_for_and_checked_all_the_same(start: Start, clock: ManualClock) -> None:
    server = start(lag=9 * 86400.0)
    day = server.portal.truth(METER, TODAY - 10 * DAY, TODAY - 9 * DAY)
    assert said(server, clock)[-2:] == [
        adds_up("26 days"),
        f"| Meter 81001, Sunday 2026-01-04: {day.usage:.2f} kWh drawn, ${day.cost:.2f}",
    ]


def test_a_meter_that_fell_silent_beside_another_is_told_and_has_no_bars(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    other = MeterSpec("81002", Household(5), step=3600, cost=False)
    end = TODAY - 4 * DAY + 8 * HOUR
    server = start_portal(
        World(locations=(replace(HOUSE, meters=(METER, other)),)), gaps=(Span("81001", end, NOW + DAY),)
    )
    report = said(server, clock)
    assert [line for line in report if " newest data: " in line] == [
        FRESH,
        (
            "warning newest data: meter 81001 has nothing since 2026-01-10 08:00, 4 days 4 hours ago -> fine for a"
            " meter that was exchanged; else see whether the portal's own page has newer data of it"
        ),
    ]
    assert [line.partition(": ")[0] for line in report if line.startswith("| ")] == [
        "| Meter 81002, Tuesday 2026-01-13"
    ]
    assert not any("lack" in line for line in report)


def test_two_meters_that_fell_silent_are_one_warning(start_portal: StartPortal, clock: ManualClock) -> None:
    other = MeterSpec("81002", Household(5), step=3600, cost=False)
    server = start_portal(World(locations=(replace(HOUSE, meters=(METER, other)),)), lag=96 * 3600.0)
    assert step_of(server, clock, "newest data") == [
        f"warning newest data: until 2026-01-10 12:00, 4 days ago -> {OLD}"
    ]
    assert len(bars_of(server, clock)) == 2


def test_an_hour_that_is_given_in_part_is_neither_summed_nor_shown(start: Start, clock: ManualClock) -> None:
    # The last three quarters of the newest hour are still to come; it is served when it ends.
    server = start(lag=2700.0, partial_newest=True)
    clock.advance(1800)
    assert said(server, clock)[2:4] == ["ok newest data: until 2026-01-14 12:00, 30 minutes ago", adds_up("7 days")]
    (bars,) = bars_of(server, clock)
    assert bars.title.startswith("Meter 81001, Tuesday 2026-01-13: ")


def test_zeros_that_stand_for_what_is_not_posted_are_no_data(start: Start, clock: ManualClock) -> None:
    server = start(lag=4 * 3600.0, placeholders=True)
    assert step_of(server, clock, "newest data") == ["ok newest data: until 2026-01-14 08:00, 4 hours ago"]


# -- whole days against the portal's own figures


@pytest.mark.parametrize(("days", "words"), [(1, "1 day"), (2, "2 days")])
def test_only_whole_days_are_compared(start: Start, clock: ManualClock, days: int, words: str) -> None:
    assert step_of(start(history=days), clock, "day totals") == [adds_up(words)]


def test_before_the_first_day_is_complete_there_is_nothing_to_compare_or_to_show(
    start: Start, clock: ManualClock
) -> None:
    assert said(start(history=0), clock) == [
        HEADING,
        HOURLY,
        FRESH,
        "skipped day totals: no day is complete yet",
    ]


def test_a_day_with_a_gap_is_not_compared(start: Start, clock: ManualClock) -> None:
    noon = TODAY - 3 * DAY + 12 * HOUR
    assert step_of(start(gaps=(Span("81001", noon, noon + HOUR),)), clock, "day totals") == [
        (
            "warning day totals: meter 81001: 1 of the last 7 days lacks intervals, 2026-01-11: no day total is"
            f" exported for it -> {ASK_FOR_THEM}"
        ),
        adds_up("6 days"),
    ]


LACKING = "warning day totals: meter 81001: {} lack intervals, the first {}: no day total is exported for them -> {}"


def test_an_hour_that_is_missing_every_day_is_told_though_nothing_can_be_compared(
    start: Start, clock: ManualClock
) -> None:
    gaps = tuple(Span("81001", TODAY - back * DAY + HOUR, TODAY - back * DAY + 2 * HOUR) for back in range(8))
    assert step_of(start(gaps=gaps), clock, "day totals") == [
        LACKING.format("7 of the last 7 days", "2026-01-07", ASK_FOR_THEM)
    ]


def test_whole_days_that_are_missing_amid_others_are_told(start: Start, clock: ManualClock) -> None:
    gap = Span("81001", TODAY - 5 * DAY, TODAY - 3 * DAY)
    assert step_of(start(gaps=(gap,)), clock, "day totals") == [
        LACKING.format("2 of the last 7 days", "2026-01-09", ASK_FOR_THEM),
        adds_up("5 days"),
    ]


def test_days_of_which_the_portal_has_only_its_own_figures_are_told(start: Start, clock: ManualClock) -> None:
    server = start({"hourly_since": "2026-01-11"})
    assert step_of(server, clock, "day totals") == [
        LACKING.format("4 of the last 7 days", "2026-01-07", ASK_FOR_THEM),
        adds_up("3 days"),
    ]


@pytest.mark.parametrize("hours", [12, 15, 35, 60])
def test_days_at_the_end_of_the_data_may_still_come(start: Start, clock: ManualClock, hours: int) -> None:
    whole = (7 * 24 + 12 - hours) // 24
    assert step_of(start(lag=hours * 3600.0), clock, "day totals") == [adds_up(f"{whole} days")]


@pytest.mark.parametrize("first", [TODAY - 3 * DAY, TODAY - 3 * DAY + 10 * HOUR])
def test_days_before_the_data_begin_lack_nothing(start: Start, clock: ManualClock, first: int) -> None:
    whole = 3 if first % DAY == TODAY % DAY else 2
    assert step_of(start(gaps=(Span("81001", 0, first),)), clock, "day totals") == [adds_up(f"{whole} days")]


def test_the_day_of_the_connection_need_not_be_whole(start_portal: StartPortal, clock: ManualClock) -> None:
    house = replace(HOUSE, meters=(METER,), connected="2026-01-07")
    gap = Span("81001", 0, TODAY - 7 * DAY + 10 * HOUR)
    server = start_portal(World(locations=(house,)), gaps=(gap,))
    assert step_of(server, clock, "day totals") == [adds_up("6 days")]
    house = replace(house, connected="2026-01-06")
    server = start_portal(World(locations=(house,)), gaps=(gap,))
    assert len(step_of(server, clock, "day totals")) == 2


def test_a_first_day_that_is_not_whole_yet_is_no_gap(start: Start, clock: ManualClock) -> None:
    server = start(gaps=(Span("81001", 0, TODAY - 10 * HOUR),))
    assert step_of(server, clock, "day totals") == ["skipped day totals: meter 81001: no day is complete yet"]


@pytest.mark.parametrize("zone", ["America/Chicago", "America/Los_Angeles", "America/Puerto_Rico"])
def test_a_wrong_zone_feigns_no_gaps(start: Start, clock: ManualClock, zone: str) -> None:
    report = lines(list(check_of(login_of(start(), zone=ZoneInfo(zone)), clock).run()))
    assert any(f"the portal's times do not fit {zone}" in line for line in report)
    assert not any("lack" in line for line in report)


def test_ranges_that_the_portal_gave_up_on_are_no_gaps(
    start: Start, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing was told by the step that failed."""
    server = start()
    respond = server.portal.respond

    def fail_old(call: Call) -> SimulatedResponse:
        is_old = b'"HOURLY"' in call.body and json.loads(call.body)["startDateTime"] / 1000 < TODAY - 3 * DAY
        return SimulatedResponse(200, b'{"status": "FAILED"}') if is_old else respond(call)

    monkeypatch.setattr(server.portal, "respond", fail_old)
    assert not any("lack" in line for line in said(server, clock))


Revise = Callable[[str, float], float | None]


def revise_days(server: PortalServer, monkeypatch: pytest.MonkeyPatch, revise: Revise) -> None:
    """Make the portal's daily figures of a house other ones: revise(date, kWh) gives them; None leaves a day out."""
    respond = server.portal.respond

    def respond_otherwise(call: Call) -> SimulatedResponse:
        answer = respond(call)
        if not call.path.endswith("/poll") or b'"DAILY"' not in call.body:
            return answer
        content = json.loads(answer.body)
        for entry in content["data"]["ELECTRIC"]:
            for series in entry["series"] if entry["type"] == "USAGE" else ():
                for point in list(series["data"]):
                    date = datetime.fromtimestamp(point["x"] / 1000, UTC).date().isoformat()
                    point["y"] = revise(date, point["y"])
                    if point["y"] is None:
                        series["data"].remove(point)
        return replace(answer, body=json.dumps(content).encode())

    monkeypatch.setattr(server.portal, "respond", respond_otherwise)


def test_days_that_differ_are_a_warning_with_the_newest_of_them(
    start: Start, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    theirs = {"2026-01-10": 50.0, "2026-01-12": 12.5}
    revise_days(server, monkeypatch, theirs.get)
    ours = server.portal.truth(METER, TODAY - 2 * DAY, TODAY - DAY).usage
    assert step_of(server, clock, "day totals") == [
        (
            f"warning day totals: meter 81001: 2 of 7 daily figures differ, 2026-01-12: {ours:.2f} kWh in its"
            f" intervals, 12.50 kWh by the portal's day -> {DIFFERS}"
        )
    ]


@pytest.mark.parametrize(("step", "rounding"), [(3600, 0.125), (900, 0.485)])
def test_what_may_come_from_rounding_is_no_difference(
    start: Start, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, step: int, rounding: float
) -> None:
    """Each interval and each day is rounded to two decimals by itself (portal-facts 3.4)."""
    server = start({"step": step})
    ours = server.portal.truth(spec_of(server), TODAY - DAY, TODAY).usage
    assert ours is not None
    for sign in (1, -1):
        for amount, verdict in ((rounding - 0.01, "ok"), (rounding + 0.01, "warning")):
            figure = round(ours + sign * amount, 6)
            with monkeypatch.context() as patch:
                revise_days(server, patch, lambda date, kwh, figure=figure: figure if date == "2026-01-13" else kwh)  # type: ignore[misc]
                (line,) = step_of(server, clock, "day totals")
            assert line.startswith(f"{verdict} day totals: ")


def test_days_of_which_the_portal_has_no_figures_are_not_compared(
    start: Start, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    revise_days(server, monkeypatch, lambda _date, _kwh: None)
    assert step_of(server, clock, "day totals") == [
        "skipped day totals: meter 81001: the portal has no daily figures of these days"
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            SimulatedResponse(200, b'{"status": "FAILED"}'),
            "DAILY data of location 70001 from 2026-01-14 to 2026-01-14: the portal gave up on it (status FAILED)",
        ),
        (
            SimulatedResponse(500, b""),
            (
                "DAILY data of location 70001 from 2026-01-07 to 2026-01-14: the portal has trouble (status 500);"
                " later it may work"
            ),
        ),
    ],
)
def test_daily_figures_that_cannot_be_had_are_a_warning_and_the_bars_are_shown(
    start: Start, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, answer: SimulatedResponse, why: str
) -> None:
    server = start()
    respond = server.portal.respond
    monkeypatch.setattr(server.portal, "respond", lambda call: answer if b'"DAILY"' in call.body else respond(call))
    report = said(server, clock)
    assert report[3] == f"warning day totals: the portal gives no daily figures to compare with: {why}"
    assert report[4].startswith("| Meter 81001, Tuesday 2026-01-13: ")


NETTING = (Channels.NET, Channels.SIGNED)


@pytest.mark.parametrize("channels", [each for each in Channels if each is not Channels.TWO_FORWARD])
def test_days_add_up_with_every_set_of_channels(start: Start, clock: ManualClock, channels: Channels) -> None:
    """A meter with net energy alone nets it over an interval, and the portal's day over a day: only that compares."""
    server = start({"channels": channels, "household": SUNNY})
    assert step_of(server, clock, "day totals") == [adds_up("7 days")]


@pytest.mark.parametrize("channels", NETTING)
def test_net_figures_that_differ_are_a_warning_too(
    start: Start, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, channels: Channels
) -> None:
    server = start({"channels": channels, "household": SUNNY})
    revise_days(server, monkeypatch, lambda date, kwh: -7.5 if date == "2026-01-13" else kwh)
    truth = server.portal.truth(spec_of(server), TODAY - DAY, TODAY)
    assert truth.usage is not None
    assert truth.export is not None
    assert step_of(server, clock, "day totals") == [
        (
            "warning day totals: meter 81001: 1 of 7 daily figures differ, 2026-01-13:"
            f" {truth.usage - truth.export:.2f} kWh in its intervals, -7.50 kWh by the portal's day -> {DIFFERS}"
        )
    ]


def test_an_export_that_differs_is_a_warning(start: Start, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start({"channels": Channels.FORWARD_REVERSE, "household": SUNNY})
    revise_days(server, monkeypatch, lambda date, kwh: kwh - 3 if date == "2026-01-13" and kwh <= 0 else kwh)
    truth = server.portal.truth(spec_of(server), TODAY - DAY, TODAY)
    assert truth.export is not None
    (line,) = step_of(server, clock, "day totals")
    assert line.startswith(
        f"warning day totals: meter 81001: 1 of 14 daily figures differ, 2026-01-13: {truth.export:.2f} kWh in its"
    )


# -- the bars


def test_a_meter_that_is_read_once_a_day_shows_its_days_and_is_not_compared_with_itself(
    start: Start, clock: ManualClock
) -> None:
    server = start({"resolution": Resolution.DAYS})
    assert said(server, clock) == [
        HEADING,
        "ok resolution: meter 81001: usage, cost once a day (FORWARD)",
        "ok newest data: until 2026-01-14 00:00, 12 hours ago",
        "| Meter 81001, kWh a day until 2026-01-13",
    ]
    (bars,) = bars_of(server, clock)
    starts = [TODAY - days * DAY for days in range(7, 0, -1)]
    truths = [server.portal.truth(spec_of(server), start, start + DAILY).usage for start in starts]
    assert bars.bars == [(f"{number:02}", truth) for number, truth in zip(range(7, 14), truths, strict=True)]


def test_a_meter_that_exports_has_bars_of_both_directions(start: Start, clock: ManualClock) -> None:
    server = start({"channels": Channels.THREE, "household": SUNNY})
    drawn, sent = bars_of(server, clock)
    truth = server.portal.truth(spec_of(server), TODAY - DAY, TODAY)
    assert truth.cost is not None
    assert truth.cost > 0
    assert drawn.title == (
        f"Meter 81001, Tuesday 2026-01-13: {truth.usage:.2f} kWh drawn, {truth.export:.2f} kWh sent, ${truth.cost:.2f}"
    )
    assert sent.title == "Meter 81001, sent to the grid"
    for bars, what in ((drawn, "usage"), (sent, "export")):
        expected = true_hours(server, TODAY - DAY, TODAY, what)
        assert [value for _, value in bars.bars] == pytest.approx(expected, abs=1e-9)


def test_a_day_that_earns_money_has_its_sign_before_the_currency(start: Start, clock: ManualClock) -> None:
    server = start(
        {"channels": Channels.FORWARD_REVERSE, "household": Household(2, heating=0, people=0, idle=0.01, solar=9)}
    )
    truth = server.portal.truth(spec_of(server), TODAY - DAY, TODAY)
    assert truth.cost is not None
    assert truth.cost < -0.1
    assert bars_of(server, clock)[0].title.endswith(f" kWh sent, -${-truth.cost:.2f}")


def test_a_meter_that_sent_nothing_all_day_has_no_bars_of_it(start: Start, clock: ManualClock) -> None:
    server = start({"channels": Channels.FORWARD_REVERSE})
    (bars,) = bars_of(server, clock)
    assert " 0.00 kWh sent" in bars.title


@pytest.mark.parametrize("mode", Dst)
def test_the_day_that_loses_an_hour_has_23_bars(start: Start, mode: Dst) -> None:
    clock, server = on("2026-03-09", start, mode)
    first = WALL.days_before(int(clock.now()), 1)
    (bars,) = bars_of(server, clock)
    assert [label for label, _ in bars.bars] == [f"{hour:02}" for hour in range(24) if hour != 2]
    assert [value for _, value in bars.bars] == true_hours(server, first, first + 23 * HOUR)
    assert bars.title.startswith("Meter 81001, Sunday 2026-03-08: ")
    assert step_of(server, clock, "day totals") == [adds_up("7 days")]


@pytest.mark.parametrize("mode", Dst)
def test_the_day_that_gains_an_hour_has_25_bars_and_says_where_the_portal_gives_one_less(
    start: Start, mode: Dst
) -> None:
    clock, server = on("2025-11-03", start, mode)
    first = WALL.days_before(int(clock.now()), 1)
    (bars,) = bars_of(server, clock)
    assert [label for label, _ in bars.bars] == ["00", "01", *(f"{hour:02}" for hour in range(1, 24))]
    truths = {each.start: each.usage for each in server.portal.almanac.intervals(METER, first, first + 25 * HOUR)}
    assert [value for _, value in bars.bars] == [truths.get(first + hour * HOUR) for hour in range(25)]
    assert (bars.bars[2][1] is None) == (mode in (Dst.MERGED, Dst.LOST))
    (totals,) = step_of(server, clock, "day totals")
    if mode is Dst.LOST:
        assert totals.startswith("warning day totals: meter 81001: 1 of 7 daily figures differ, 2025-11-02: ")
    else:
        assert totals == adds_up("7 days")


@pytest.mark.parametrize("when", ["2026-03-09", "2025-11-03"])
def test_a_meter_that_is_read_once_a_day_has_the_changing_day_too(start: Start, when: str) -> None:
    clock, server = on(when, start, Dst.DUPLICATE, {"resolution": Resolution.DAYS})
    (bars,) = bars_of(server, clock)
    now = int(clock.now())
    days = [(WALL.days_before(now, back), WALL.days_before(now, back - 1)) for back in range(7, 0, -1)]
    assert [value for _, value in bars.bars] == [server.portal.truth(spec_of(server), *day).usage for day in days]
    assert {end - start for start, end in days} > {DAY}


def on(day: str, start: Start, mode: Dst, meter: dict[str, object] | None = None) -> tuple[ManualClock, PortalServer]:
    """Noon of a day, at a portal that treats changes of clocks so."""
    clock = ManualClock(datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZONE).timestamp())
    server = start(meter, dst=mode)
    server.portal._clock = clock
    server.portal.almanac._now = clock.now
    return clock, server


def test_a_location_without_data_is_not_told_twice(start: Start, clock: ManualClock) -> None:
    assert said(start(poll=Poll.NO_DATA), clock) == []
