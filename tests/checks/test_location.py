"""The steps of `check` for one location, compared with the truth of the simulated meters."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.checks.findings import Bars, CheckItem
from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Dst, Poll, Span
from exporter.simulator.specs import Channels, MeterSpec, Resolution
from exporter.simulator.truth import Truth
from exporter.simulator.world import World

from ..support.check_reports import lines, run_check
from ..support.clocks import ManualClock
from ..support.portal import StartPortal, login_of
from ..support.surveys import answer_polls
from ..support.worlds import DAY, HOUSE, METER, NOW, WALL, ZONE

HOUR = 3600
TODAY = WALL.day(NOW).start
HEADING = '# Location 70001 of account 55001 "House"'
HOURLY = "ok resolution: meter 81001: usage, cost every hour (FORWARD)"
FRESH = "ok newest data: until 2026-01-14 12:00, 0 seconds ago"
SUNNY = Household(2, heating=0.2, solar=6.5)
OTHER = MeterSpec("81002", Household(5), step=3600, cost=False)
OLD = "check whether the SmartHub website has newer data; if not, ask the co-op"
ASK_FOR_THEM = (
    "check whether the SmartHub website has these hours; if not, wait for the co-op to post them, or ask for them"
)


@dataclass
class House:
    """A portal with one house, and what the check says about it."""

    server: PortalServer
    clock: ManualClock

    def parts(self, zone: ZoneInfo = ZONE) -> list[CheckItem]:
        """Return the check from the heading of the location on."""
        _, parts = run_check(login_of(self.server, zone=zone), self.clock)
        first = next((at for at, line in enumerate(lines(parts)) if line.startswith("# Location")), len(parts))
        return parts[first:]

    def said(self) -> list[str]:
        return lines(self.parts())

    def step(self, name: str) -> list[str]:
        return [line for line in self.said() if f" {name}: " in line]

    def totals(self) -> list[str]:
        return self.step("day totals")

    def bars(self) -> list[Bars]:
        return [part for part in self.parts() if isinstance(part, Bars)]

    def truth(self, start: int = TODAY - DAY, end: int = TODAY) -> Truth:
        """Return the truth of the first meter, by default for yesterday."""
        return self.server.portal.truth(self.server.portal.world.locations[0].meters[0], start, end)


Start = Callable[..., House]


@pytest.fixture
def start(start_portal: StartPortal, clock: ManualClock) -> Start:
    """Starts a portal with one house: start({"step": 900}, lag=3600.0). others: further meters."""

    def start_it(
        meter: dict[str, object] | None = None, others: Sequence[MeterSpec] = (), on: str = "", **switches: object
    ) -> House:
        connected = str(switches.pop("connected", HOUSE.connected))
        spec = replace(METER, **(meter or {}))  # type: ignore[arg-type]
        house = replace(HOUSE, meters=(spec, *others), connected=connected)
        server = start_portal(World(locations=(house,)), switches.pop("history", None), **switches)
        own = ManualClock(datetime.fromisoformat(f"{on}T12:00").replace(tzinfo=ZONE).timestamp()) if on else clock
        server.portal.clock = own
        return House(server, own)

    return start_it


def adds_up(days: str) -> str:
    return f"ok day totals: meter 81001: intervals add up to the portal's own daily figures for {days}"


def incomplete(days: str, first: str) -> str:
    return (
        f"warning day totals: meter 81001: missing intervals on {days}, first on {first}; incomplete days have no day"
        f" total -> {ASK_FOR_THEM}"
    )


# -- everything of a location


def test_each_step_reports_the_true_values(start: Start) -> None:
    house = start({"step": 900})
    day = house.truth()
    assert house.said() == [
        HEADING,
        "ok resolution: meter 81001: usage, cost every 15 minutes (FORWARD)",
        FRESH,
        adds_up("7 days"),
        f"| Meter 81001, Tuesday 2026-01-13: {day.usage:.2f} kWh used, ${day.cost:.2f}",
    ]
    (bars,) = house.bars()
    assert [label for label, _ in bars.bars] == [f"{hour:02}" for hour in range(24)]
    hours = [house.truth(hour, hour + HOUR).usage for hour in range(TODAY - DAY, TODAY, HOUR)]
    assert [value for _, value in bars.bars] == pytest.approx(hours, abs=1e-9)


def test_a_submeter_is_reported_as_part_of_its_parent(start: Start) -> None:
    said = start(others=[replace(OTHER, part_of="81001")]).step("resolution")
    assert [line.partition("; ")[2] for line in said] == ["", "part of meter 81001, so sums leave it out"]


def test_each_meter_of_a_location_is_reported(start: Start) -> None:
    assert [line.partition(": ")[0] for line in start(others=[OTHER]).said()[1:]] == [
        "ok resolution",
        "ok resolution",
        "ok newest data",
        "ok day totals",
        "ok day totals",
        "| Meter 81001, Tuesday 2026-01-13",
        "| Meter 81002, Tuesday 2026-01-13",
    ]


def test_a_location_without_data_is_not_reported_again(start: Start) -> None:
    assert start(poll=Poll.NO_DATA).said() == []


def test_one_meter_of_two_without_data_is_a_warning(start: Start) -> None:
    house = start(others=[OTHER], gaps=(Span("81002", 0, NOW + DAY),))
    assert house.step("resolution") == [HOURLY, "warning resolution: meter 81002 has no data"]


# -- the newest data


@pytest.mark.parametrize(
    ("hours", "line"),
    [
        (0, FRESH),
        (72, "ok newest data: until 2026-01-11 12:00, 3 days ago"),
        (73, f"warning newest data: until 2026-01-11 11:00, 3 days 1 hour ago -> {OLD}"),
    ],
)
def test_data_is_stale_after_three_days(start: Start, hours: int, line: str) -> None:
    assert start(lag=hours * 3600.0).step("newest data") == [line]


def test_data_older_than_a_week_is_still_checked(start: Start) -> None:
    totals, bars = start(lag=9 * 86400.0).said()[-2:]
    assert totals == adds_up("26 days")
    assert bars.startswith("| Meter 81001, Sunday 2026-01-04: ")


def test_one_meter_of_two_that_stopped_is_reported(start: Start) -> None:
    gap = Span("81001", TODAY - 4 * DAY + 8 * HOUR, NOW + DAY)
    report = start(others=[OTHER], gaps=(gap,)).said()
    assert [line for line in report if " newest data: " in line] == [
        FRESH,
        (
            "warning newest data: meter 81001 has had no data since 2026-01-10 08:00, 4 days 4 hours ago -> expected if"
            " the meter was replaced; otherwise check whether the SmartHub website has newer data for it"
        ),
    ]
    assert [line.partition(":")[0] for line in report if line.startswith("|")] == ["| Meter 81002, Tuesday 2026-01-13"]
    assert not any("missing intervals" in line for line in report)


def test_two_meters_that_stopped_are_one_warning(start: Start) -> None:
    house = start(others=[OTHER], lag=96 * 3600.0)
    assert house.step("newest data") == [f"warning newest data: until 2026-01-10 12:00, 4 days ago -> {OLD}"]
    assert len(house.bars()) == 2


# -- full days against the portal's own figures


@pytest.mark.parametrize(("days", "words"), [(1, "1 day"), (2, "2 days")])
def test_only_full_days_are_compared(start: Start, days: int, words: str) -> None:
    assert start(history=days).totals() == [adds_up(words)]


def test_before_the_first_full_day_nothing_is_compared(start: Start) -> None:
    assert start(history=0).said() == [HEADING, HOURLY, FRESH, "skipped day totals: no full day yet"]


def test_an_incomplete_first_day_is_not_a_gap(start: Start) -> None:
    house = start(gaps=(Span("81001", 0, TODAY - 10 * HOUR),))
    assert house.totals() == ["skipped day totals: meter 81001: no full day yet"]


def test_a_day_with_a_gap_is_reported_and_not_compared(start: Start) -> None:
    noon = TODAY - 3 * DAY + 12 * HOUR
    house = start(gaps=(Span("81001", noon, noon + HOUR),))
    assert house.totals() == [incomplete("1 of the last 7 days", "2026-01-11"), adds_up("6 days")]


def test_an_hour_missing_every_day_is_reported(start: Start) -> None:
    gaps = tuple(Span("81001", TODAY - back * DAY + HOUR, TODAY - back * DAY + 2 * HOUR) for back in range(8))
    assert start(gaps=gaps).totals() == [incomplete("7 of the last 7 days", "2026-01-07")]


def test_days_with_only_daily_figures_are_reported(start: Start) -> None:
    house = start({"hourly_since": "2026-01-11"})
    assert house.totals() == [incomplete("4 of the last 7 days", "2026-01-07"), adds_up("3 days")]


@pytest.mark.parametrize("hours", [12, 35, 60])
def test_days_at_the_end_of_the_data_may_still_arrive(start: Start, hours: int) -> None:
    assert start(lag=hours * 3600.0).totals() == [adds_up(f"{(7 * 24 + 12 - hours) // 24} days")]


@pytest.mark.parametrize(("first", "full"), [(TODAY - 3 * DAY, 3), (TODAY - 3 * DAY + 10 * HOUR, 2)])
def test_days_before_the_data_begins_are_not_missing(start: Start, first: int, full: int) -> None:
    assert start(gaps=(Span("81001", 0, first),)).totals() == [adds_up(f"{full} days")]


@pytest.mark.parametrize(("connected", "count"), [("2026-01-07", 1), ("2026-01-06", 2)])
def test_the_day_of_the_connection_need_not_be_full(start: Start, connected: str, count: int) -> None:
    totals = start(connected=connected, gaps=(Span("81001", 0, TODAY - 7 * DAY + 10 * HOUR),)).totals()
    assert len(totals) == count
    assert totals[-1] == adds_up("6 days")


@pytest.mark.parametrize("connected", ["2019-05-04", "2025-12-20"])
def test_a_wrong_zone_is_not_reported_as_gaps(start: Start, connected: str) -> None:
    """This goes for a contradicted zone and for one in doubt because there is data of one season only."""
    report = lines(start(connected=connected).parts(ZoneInfo("America/Chicago")))
    assert report[0] == HEADING
    assert not any("missing intervals" in line for line in report)


def test_failed_ranges_are_not_gaps(start: Start) -> None:
    """The failed step has reported what is missing."""
    house = start()

    def fail_old(call: Call) -> SimulatedResponse | None:
        is_old = b'"HOURLY"' in call.body and json.loads(call.body)["startDateTime"] / 1000 < TODAY - 3 * DAY
        return SimulatedResponse(200, b'{"status": "FAILED"}') if is_old else None

    answer_polls(house.server, fail_old)
    assert not any("missing intervals" in line for line in house.said())


def revise(house: House, figure: Callable[[str, float], float | None]) -> None:
    """Change the portal's daily figures of a house to figure(date, kWh); None leaves a day out."""
    respond = house.server.portal.respond

    def answer(call: Call) -> SimulatedResponse | None:
        if b'"DAILY"' not in call.body:
            return None
        response = respond(call)
        content = json.loads(response.body)
        for entry in content["data"]["ELECTRIC"]:
            for series in entry["series"] if entry["type"] == "USAGE" else ():
                for point in series["data"]:
                    date = datetime.fromtimestamp(point["x"] / 1000, UTC).date().isoformat()
                    point["y"] = figure(date, point["y"])
                series["data"] = [point for point in series["data"] if point["y"] is not None]
        return replace(response, body=json.dumps(content).encode())

    answer_polls(house.server, answer)


def test_days_that_differ_are_reported_with_the_newest(start: Start) -> None:
    house = start()
    revise(house, {"2026-01-10": 50.0, "2026-01-12": 12.5}.get)
    assert house.totals() == [
        (
            "warning day totals: meter 81001: 2 of 7 daily figures differ, most recently on 2026-01-12:"
            f" {house.truth(TODAY - 2 * DAY, TODAY - DAY).usage:.2f} kWh from intervals, 12.50 kWh from the portal"
            " -> the portal may still be correcting these days; check again tomorrow"
        )
    ]


@pytest.mark.parametrize(
    ("step", "amount", "verdict"),
    [(3600, 0.115, "ok"), (3600, -0.135, "warning"), (900, -0.475, "ok"), (900, 0.495, "warning")],
)
def test_rounding_is_not_a_difference(start: Start, step: int, amount: float, verdict: str) -> None:
    """The portal rounds each value to two decimals: docs/portal.md, "Resolution"."""
    house = start({"step": step})
    ours = house.truth().usage
    assert ours is not None
    revise(house, lambda date, kwh: round(ours + amount, 6) if date == "2026-01-13" else kwh)
    assert house.totals()[0].startswith(f"{verdict} day totals: ")


def test_days_without_a_daily_figure_are_skipped(start: Start) -> None:
    house = start()
    revise(house, lambda _date, _kwh: None)
    assert house.totals() == ["skipped day totals: meter 81001: the portal has no daily figures for these days"]


@pytest.mark.parametrize("answer", [SimulatedResponse(200, b'{"status": "FAILED"}'), SimulatedResponse(500, b"")])
def test_daily_figures_that_fail_are_a_warning(start: Start, answer: SimulatedResponse) -> None:
    house = start()
    answer_polls(house.server, lambda call: answer if b'"DAILY"' in call.body else None)
    totals, bars = house.said()[3:]
    assert totals.startswith("warning day totals: could not get the portal's daily figures to compare with: ")
    assert bars.startswith("| Meter 81001, Tuesday 2026-01-13: ")


UNEQUAL = (Channels.TWO_FORWARD, Channels.SLIGHTLY_NEGATIVE)
"""Channels of which the simulated portal gives more or less in days than in intervals."""


@pytest.mark.parametrize("channels", [each for each in Channels if each not in UNEQUAL])
def test_days_add_up_with_every_set_of_channels(start: Start, channels: Channels) -> None:
    """With net energy only, the portal nets over a day and the exporter over each interval; just the net compares."""
    assert start({"channels": channels, "household": SUNNY}).totals() == [adds_up("7 days")]


@pytest.mark.parametrize("channels", [Channels.NET, Channels.SIGNED, Channels.FORWARD_REVERSE])
def test_net_and_exported_energy_is_compared_too(start: Start, channels: Channels) -> None:
    house = start({"channels": channels, "household": SUNNY})
    nets = channels is not Channels.FORWARD_REVERSE
    revise(house, lambda date, kwh: -37.5 if date == "2026-01-13" and (nets or kwh <= 0) else kwh)
    truth = house.truth()
    assert truth.usage is not None
    assert truth.export is not None
    ours, theirs, count = (truth.usage - truth.export, -37.5, 7) if nets else (truth.export, 37.5, 14)
    (line,) = house.totals()
    assert line.startswith(
        f"warning day totals: meter 81001: 1 of {count} daily figures differ, most recently on 2026-01-13:"
        f" {ours:.2f} kWh from intervals, {theirs:.2f} kWh from the portal"
    )


# -- the bars


def test_a_meter_read_daily_shows_its_days(start: Start) -> None:
    """Its days are not compared with themselves. One of them has 23 hours."""
    house = start({"resolution": Resolution.DAYS}, on="2026-03-09")
    *said, title = house.said()
    assert said == [
        HEADING,
        "ok resolution: meter 81001: usage, cost once a day (FORWARD)",
        "ok newest data: until 2026-03-09 00:00, 12 hours ago",
    ]
    assert title == "| Meter 81001, kWh per day until 2026-03-08"
    (bars,) = house.bars()
    now = int(house.clock.now())
    days = [house.truth(WALL.days_before(now, back), WALL.days_before(now, back - 1)) for back in range(7, 0, -1)]
    assert bars.bars == [(f"{number:02}", day.usage) for number, day in zip(range(2, 9), days, strict=True)]


def test_an_exporting_meter_has_bars_for_both_directions(start: Start) -> None:
    house = start({"channels": Channels.THREE, "household": SUNNY})
    used, exported = house.bars()
    truth = house.truth()
    assert used.title == (
        f"Meter 81001, Tuesday 2026-01-13: {truth.usage:.2f} kWh used, {truth.export:.2f} kWh exported,"
        f" ${truth.cost:.2f}"
    )
    assert exported.title == "Meter 81001, exported to the grid"
    hours = [house.truth(hour, hour + HOUR) for hour in range(TODAY - DAY, TODAY, HOUR)]
    assert [value for _, value in used.bars] == pytest.approx([each.usage for each in hours], abs=1e-9)
    assert [value for _, value in exported.bars] == pytest.approx([each.export for each in hours], abs=1e-9)


def test_a_negative_cost_has_its_sign_before_the_currency(start: Start) -> None:
    earning = Household(2, heating=0, people=0, idle=0.01, solar=9)
    house = start({"channels": Channels.FORWARD_REVERSE, "household": earning})
    cost = house.truth().cost
    assert cost is not None
    assert cost < -0.1
    assert house.bars()[0].title.endswith(f" kWh exported, -${-cost:.2f}")


def test_a_day_without_export_has_no_bars_for_it(start: Start) -> None:
    (bars,) = start({"channels": Channels.FORWARD_REVERSE}).bars()
    assert " 0.00 kWh exported" in bars.title


SPRING = [f"{hour:02}" for hour in range(24) if hour != 2]
AUTUMN = ["00", "01", *(f"{hour:02}" for hour in range(1, 24))]


@pytest.mark.parametrize("mode", Dst)
@pytest.mark.parametrize(("on", "labels"), [("2026-03-09", SPRING), ("2025-11-03", AUTUMN)])
def test_the_day_of_a_clock_change_has_a_bar_for_each_hour(start: Start, mode: Dst, on: str, labels: list[str]) -> None:
    house = start(on=on, dst=mode)
    first = WALL.days_before(int(house.clock.now()), 1)
    hours = range(first, first + len(labels) * HOUR, HOUR)
    truths = {
        each.start: each.usage for each in house.server.portal.almanac.intervals(METER, hours[0], hours[-1] + HOUR)
    }
    (bars,) = house.bars()
    assert list(bars.bars) == [(label, truths.get(hour)) for label, hour in zip(labels, hours, strict=True)]
    is_lost = mode is Dst.LOST and labels is AUTUMN
    differs = "warning day totals: meter 81001: 1 of 7 daily figures differ, most recently on 2025-11-02: "
    (totals,) = house.totals()
    assert totals.startswith(differs if is_lost else adds_up("7 days"))
