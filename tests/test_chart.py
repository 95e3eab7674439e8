"""Bars made of characters: heights, the scale, and what is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.terminal import chart

from .support.portal_answers import examples

BLOCKS = " ▁▂▃▄▅▆▇█"
Bar = tuple[str, float | None]


def hours(*values: float | None) -> list[Bar]:
    return [(f"{number:02}:00", value) for number, value in enumerate(values)]


def heights(bars: list[Bar], levels: int) -> list[int]:
    """How many eighths of a line each bar is high, as drawn."""
    lines = [line[8:].ljust(3 * len(bars)) for line in chart(bars, levels=levels)[:-1]]
    return [sum(BLOCKS.index(line[3 * number]) for line in lines) for number in range(len(bars))]


def test_a_chart_is_drawn_exactly_so() -> None:
    assert chart(hours(1.0, 0.5, 0.25, 0.0, None, 2.0), levels=2) == [
        "   2.00                ██",
        "   1.00 ██ ▄▄ ▂▂    ·  ██",
        "        00:00    03:00",
    ]


def test_a_chart_for_a_terminal_of_ascii_alone() -> None:
    lines = chart(hours(1.0, 0.5, 0.25, 0.0, None, 2.0), plain=True, levels=2)
    assert lines == [
        "   2.00                ##",
        "   1.00 ## .. ..    ?  ##",
        "        00:00    03:00",
    ]
    assert "".join(lines).isascii()


def test_a_chart_has_five_lines_and_one_of_labels() -> None:
    lines = chart(hours(*range(24)))
    assert len(lines) == 6
    assert lines[-1].split() == [f"{hour:02}:00" for hour in range(0, 24, 3)]
    assert max(map(len, lines)) <= 80


def test_each_label_begins_under_its_own_bar() -> None:
    lines = chart(hours(*([1.0] * 9)))
    assert [lines[-1].index(label) for label in ("00:00", "03:00", "06:00")] == [8, 17, 26]
    assert [lines[0][at] for at in (8, 17, 26)] == ["█"] * 3


@given(values=st.lists(st.floats(0.0, 999.0), min_size=1, max_size=48), levels=st.integers(1, 8))
@examples
def test_bars_are_as_high_as_their_values(values: list[float], levels: int) -> None:
    bars = hours(*values)
    top = max(values)
    for value, height in zip(values, heights(bars, levels), strict=True):
        expected = value / top * 8 * levels if top else 0.0
        assert height == pytest.approx(max(expected, 1.0 if value else 0.0), abs=0.5001)


def test_little_is_not_nothing() -> None:
    assert heights(hours(1000.0, 0.001, 0.0), 5) == [40, 1, 0]


@pytest.mark.parametrize("plain", [True, False])
def test_missing_is_neither_nothing_nor_a_bar(*, plain: bool) -> None:
    (*_, ground, _labels) = chart(hours(5.0, None, 0.0), plain=plain)
    assert ground[11:].rstrip() == ("?" if plain else "·")


def test_a_day_of_zeros_and_a_day_without_any_value_are_drawn_too() -> None:
    assert set("".join(chart(hours(0.0, 0.0))[:-1])) <= set(" 0.")
    assert chart(hours(None, None))[-2].split() == ["0.00", "·", "·"]
    assert len(chart([])) == 6
