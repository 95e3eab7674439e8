"""The charts as drawings: the positions of their parts, and the hover text."""

# ruff: noqa: RUF001 - typographic dashes and minus signs

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.intervals.interval import Interval
from exporter.status_page.charts import cost_chart, energy_chart, hourly_power, power_chart
from exporter.status_page.figures import DayFigures
from exporter.status_page.svg import Days, days_until, scale

from ..support.html import Element, all_of, one
from ..support.portal_answers import examples
from ..support.worlds import ZONE

HOUR = 3600
TOP, POWER, HEIGHT = 22, 168, 132  # pixels
AMOUNTS = st.just(0.0) | st.floats(1e-3, 1e6)


JUNE = days_until(date(2026, 6, 2), 2, ZONE)
MIDNIGHT = JUNE.bounds[0]


def energies(*values: float | None, start: int = MIDNIGHT, step: int = HOUR) -> list[Interval]:
    """Return consecutive intervals in kWh; None leaves a gap."""
    return [
        Interval(start + at * step, start + (at + 1) * step, value)
        for at, value in enumerate(values)
        if value is not None
    ]


def drawn(intervals: Sequence[Interval], days: Days = JUNE, *, hours: int = 48) -> Element:
    """Return the chart as of `hours` after the first day began."""
    return ET.fromstring(power_chart(intervals, hourly_power(intervals, days), days, days.bounds[0] + hours * HOUR))


def points(chart: Element, name: str) -> list[list[tuple[int, int]]]:
    """Return the corners of each run of a path of M, v, h, V, H and z."""
    data = one(chart, "path", class_=name).get("d") or ""
    runs: list[list[tuple[int, int]]] = []
    x = y = 0
    for command, text in re.findall(r"([MvhVHz])(-?[\d ]*)", data):
        if command == "M":
            x, y = (int(each) for each in text.split())
            runs.append([])
        elif command in "vV":
            y = int(text) + (y if command == "v" else 0)
        elif command in "hH":
            x = int(text) + (x if command == "h" else 0)
        if command != "z":
            runs[-1].append((x, y))
    return runs


def spoken(chart: Element) -> list[str]:
    """Return the hover text of each column, its two lines joined."""
    return [" · ".join(line.text or "" for line in all_of(each, "text")) for each in one(chart, "g", class_="hover")]


def percents(elements: Sequence[Element]) -> list[tuple[float, float]]:
    """Return position and width of rectangles."""
    return [
        (float((each.get("x") or "").rstrip("%")), float((each.get("width") or "").rstrip("%"))) for each in elements
    ]


def labels(chart: Element, name: str) -> list[str]:
    return [each.text or "" for each in all_of(chart, "text", class_=name)]


# -- power


def test_power_is_a_line_of_steps_at_real_times() -> None:
    chart = drawn(energies(1.0, 2.0, 0.0))
    (line,), (area,) = points(chart, "used-line"), points(chart, "used-area")
    top, zero = round(POWER * 10 * 0.03 / 1.03), POWER * 10
    middle = round((top + zero) / 2)
    assert line == [(0, middle), (60, middle), (60, top), (120, top), (120, zero), (180, zero)]
    assert area == [*line, (180, zero), (0, zero)]


def test_a_gap_stays_a_gap_and_zero_is_no_gap() -> None:
    chart = drawn(energies(1.0, None, None, 0.0, 1.0), hours=5)
    first, second = points(chart, "used-line")
    assert (first[-1][0], second[0][0]) == (60, 180)
    assert percents(all_of(chart, "rect", class_="gap")) == [(2.08, 4.17)]


def test_missing_data_is_a_gap_but_the_future_is_not() -> None:
    chart = drawn(energies(None, 1.0), hours=24)
    assert percents(all_of(chart, "rect", class_="gap")) == [(0, 2.08), (4.17, 45.83)]
    minute = Interval(MIDNIGHT + 59, MIDNIGHT + 24 * HOUR - 60, 1.0)
    assert percents(all_of(drawn([minute], hours=24), "rect", class_="gap")) == [(49.97, 0.03)]


def test_export_is_below_zero_on_the_same_scale() -> None:
    both = [*energies(2.0), Interval(MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR, usage=0.0, export=1.0)]
    chart = drawn(both)
    zero = float(one(chart, "line", class_="zero").get("y1") or 0) - TOP
    highest = min(y for run in points(chart, "used-line") for _, y in run) / 10
    lowest = max(y for run in points(chart, "exported-line") for _, y in run) / 10
    assert 0 < zero - highest == pytest.approx(2 * (lowest - zero), abs=0.2)
    assert [each.text for each in one(chart, "svg", class_="axis")] == ["kW", "2", "1", "0", "1"]
    assert spoken(chart) == [
        "Mon Jun 1 00:00–01:00 EDT · 2,000 W used",
        "Mon Jun 1 01:00–02:00 EDT · 0 W used, 1,000 W exported",
    ]


def test_there_is_no_line_along_zero_without_export() -> None:
    sent = [replace(each, usage=1.0, export=each.usage) for each in energies(0.0, 1.0, 0.0)]
    assert [(run[0][0], run[-1][0]) for run in points(drawn(sent), "exported-line")] == [(60, 120)]


def test_a_meter_with_export_only_has_no_usage_line() -> None:
    chart = drawn([Interval(MIDNIGHT, MIDNIGHT + HOUR, export=1.0)])
    assert not all_of(chart, "path", class_="used-line")
    assert spoken(chart)[0] == "Mon Jun 1 00:00–01:00 EDT · 1,000 W exported"


@pytest.mark.parametrize(("last", "hours"), [(date(2026, 3, 9), 23), (date(2026, 11, 2), 25), (date(2026, 6, 1), 24)])
def test_days_are_as_wide_as_they_are_long(last: date, hours: int) -> None:
    chart = drawn([], days_until(last, 3, ZONE))
    whole = 24 + hours + 24
    lines = [float((each.get("x1") or "").rstrip("%")) for each in all_of(chart, "line", class_="day")]
    assert lines == pytest.approx([100 * 24 / whole, 100 * (24 + hours) / whole], abs=0.01)
    assert one(chart, "svg", preserveAspectRatio="none").get("viewBox") == f"0 0 {whole * 60} {POWER * 10}"


def test_both_hours_called_one_oclock_are_shown() -> None:
    days = days_until(date(2026, 11, 1), 1, ZONE)
    chart = drawn(energies(1.0, 2.0, 3.0, start=days.bounds[0]), days)
    assert spoken(chart) == [
        "Sun Nov 1 00:00–01:00 EDT · 1,000 W used",
        "Sun Nov 1 01:00 EDT–01:00 EST · 2,000 W used",
        "Sun Nov 1 01:00–02:00 EST · 3,000 W used",
    ]
    assert percents(all_of(one(chart, "g", class_="hover"), "rect"))[2] == (8.0, 4.0)


def test_labels_name_the_month_when_it_changes() -> None:
    chart = drawn([], days_until(date(2026, 6, 2), 4, ZONE))
    assert labels(chart, "weekday") == ["Sat", "Sun", "Mon", "Tue"]
    assert labels(chart, "date") == ["May 30", "31", "Jun 1", "2"]


def test_hover_text_shows_the_average_of_each_hour() -> None:
    half_hour_late = Interval(MIDNIGHT + 9000, MIDNIGHT + 9900, 0.5)
    assert spoken(drawn([*energies(0.1, 0.2, 0.3, 0.4, 0.5, step=900), half_hour_late])) == [
        "Mon Jun 1 00:00–01:00 EDT · 1,000 W used",
        "Mon Jun 1 01:00–01:15 EDT · 2,000 W used",
        "Mon Jun 1 02:30–02:45 EDT · 2,000 W used",
    ]


def test_the_label_for_screen_readers_has_the_peaks() -> None:
    chart = drawn([*energies(1.0, 2.0), Interval(MIDNIGHT + 7200, MIDNIGHT + 10800, usage=0.0, export=0.5)])
    assert one(chart, "svg", role="img").get("aria-label") == (
        "Average power from Mon Jun 1 to Tue Jun 2. Most used: 2,000 W, Mon Jun 1 01:00 EDT."
        " Most exported: 500 W, Mon Jun 1 02:00 EDT."
    )
    assert one(drawn([]), "svg", role="img").get("aria-label") == "Average power from Mon Jun 1 to Tue Jun 2. No data."


def test_other_days_and_values_without_energy_are_left_out() -> None:
    outside = energies(5.0, start=MIDNIGHT - HOUR) + energies(7.0, start=JUNE.bounds[-1])
    only_cost = [Interval(MIDNIGHT, MIDNIGHT + HOUR, cost=1.0)]
    assert not all_of(drawn([*outside, *only_cost]), "path")
    assert points(drawn(energies(-1.0)), "used-line")


# -- energy and cost per day


def day(
    number: int,
    usage: float | None = 10.0,
    export: float | None = None,
    cost: float | None = None,
    *,
    is_full: bool = True,
) -> DayFigures:
    return DayFigures(date(2026, 6, number), 24, usage, export, cost, is_full)


def bars(figures: Sequence[DayFigures], last: int = 7) -> Element:
    return ET.fromstring(energy_chart(figures, days_until(date(2026, 6, last), last, ZONE)))


def heights(chart: Element, name: str) -> list[float]:
    return [float(each.get("height") or 0) for each in all_of(chart, "rect", class_=name)]


def test_each_full_day_has_a_bar_as_high_as_its_energy() -> None:
    chart = bars([day(1, 10.0), day(2, 20.0), day(4, 5.0)])
    highest = HEIGHT / 1.03
    assert heights(chart, "used-bar") == pytest.approx([highest / 2, highest, highest / 4], abs=0.01)
    assert len(all_of(chart, "rect", class_="gap")) == 4


def test_the_export_of_a_day_is_below_zero() -> None:
    chart = bars([day(1, 10.0, 5.0)])
    found = heights(chart, "used-bar") + heights(chart, "exported-bar")
    assert found == pytest.approx([10 * HEIGHT / 15.9, 5 * HEIGHT / 15.9], abs=0.02)
    assert one(chart, "rect", class_="exported-bar").get("y") == one(chart, "line", class_="zero").get("y1")


def test_little_energy_has_a_bar_and_no_energy_has_none() -> None:
    assert heights(bars([day(1, 1000.0), day(2, 0.01), day(3, 0.0)]), "used-bar")[1:] == [1.0]


def test_hover_text_of_a_day_shows_what_is_known() -> None:
    chart = bars([day(1, 31.42, 4.1), day(2, 20.0), day(3, None, 2.0)], last=4)
    assert spoken(chart) == [
        "Mon Jun 1 · 31.42 kWh used, 4.10 kWh exported",
        "Tue Jun 2 · 20.00 kWh used",
        "Wed Jun 3 · 2.00 kWh exported",
        "Thu Jun 4 · no data",
    ]


def test_an_incomplete_day_is_hatched_and_says_so() -> None:
    chart = bars([day(1, 10.0), day(2, 5.0, 1.0, is_full=False)], last=2)
    assert len(all_of(chart, "rect", class_="used-bar")) == 1
    hatched = all_of(chart, "rect", class_="part")
    assert [each.get("fill") for each in hatched] == ["url(#used-part)", "url(#exported-part)"]
    assert spoken(chart)[1] == "Tue Jun 2, incomplete · 5.00 kWh used, 1.00 kWh exported"


def test_zero_and_missing_days_look_different() -> None:
    chart = bars([day(1, 10.0), day(2, 0.0)], last=3)
    assert percents(all_of(chart, "rect", class_="gap")) == [(66.67, 33.33)]
    assert [each.split(" · ")[1] for each in spoken(chart)] == ["10.00 kWh used", "0.00 kWh used", "no data"]


def test_a_credit_is_below_zero_and_an_unknown_cost_a_gap() -> None:
    days = days_until(date(2026, 6, 3), 3, ZONE)
    chart = ET.fromstring(cost_chart([day(1, cost=4.0), day(2, cost=-2.0), day(3)], days))
    zero = float(one(chart, "line", class_="zero").get("y1") or 0)
    tops = [float(each.get("y") or 0) for each in all_of(chart, "rect", class_="cost-bar")]
    assert (tops[0] < zero, tops[1]) == (True, zero)
    assert spoken(chart) == ["Mon Jun 1 · $4.00", "Tue Jun 2 · −$2.00", "Wed Jun 3 · no data"]
    assert one(chart, "svg", role="img").get("aria-label") == (
        "Cost per day from Mon Jun 1 to Wed Jun 3. Highest: $4.00 on Mon Jun 1. The table below has every figure."
    )


def test_of_many_days_mondays_are_named_if_there_is_room() -> None:
    assert labels(bars([day(1)], last=24), "date") == ["Jun 8", "Jun 15", "Jun 22"]


def test_the_label_for_screen_readers_points_to_the_table() -> None:
    label = one(bars([day(1, 31.42, 4.1), day(2, 20.0, 7.0)], last=2), "svg", role="img").get("aria-label")
    assert label == (
        "Energy per day from Mon Jun 1 to Tue Jun 2. Most used: 31.42 kWh on Mon Jun 1. Most exported: 7.00 kWh on Tue"
        " Jun 2. The table below has every figure."
    )


# -- the scale


@pytest.mark.parametrize(
    ("above", "below", "ticks"),
    [
        (5230, 0, [5000, 4000, 3000, 2000, 1000, 0]),
        (20.2, 21.5, [20, 10, 0, -10, -20]),
        (0.04, 0, [0.04, 0.03, 0.02, 0.01, 0]),
        (0, 0, [1, 0]),
    ],
)
def test_ticks_are_few_and_round(above: float, below: float, ticks: list[float]) -> None:
    assert scale(above, below, 100).ticks() == [pytest.approx(each) for each in ticks]


@given(above=AMOUNTS, below=AMOUNTS)
@examples
def test_the_scale_has_room_for_all_values(above: float, below: float) -> None:
    scaled = scale(above, below, 100)
    assert 0 <= scaled.y(above) <= scaled.y(0) <= scaled.y(-below) <= 100 + 1e-9
    assert 2 <= len(scaled.ticks()) <= 8


@pytest.mark.parametrize(
    ("kilowatts", "marks"),
    [
        (3.4, ["kW", "3", "2", "1", "0"]),
        (1.9, ["kW", "1.5", "1.0", "0.5", "0"]),
        (0.3, ["W", "300", "200", "100", "0"]),
    ],
)
def test_the_axis_has_a_unit_and_as_many_decimals_as_it_needs(kilowatts: float, marks: list[str]) -> None:
    axis = one(drawn(energies(kilowatts)), "svg", class_="axis")
    assert [each.text for each in all_of(axis, "text")] == marks
