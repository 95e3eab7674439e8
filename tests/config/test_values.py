import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import format_duration, parse_duration, parse_zone
from exporter.config.values import (
    parse_boolean,
    parse_bounded_duration,
    parse_count,
    parse_label_name,
    parse_snapshots,
    quoted,
)

from ..support.config_files import exactly

AREA_CITY = "use Area/City, such as America/New_York"
NEW_YORK = 'did you mean "America/New_York"?'


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1h30m", 5400), ("2w", 1209600), ("1y", 31536000), (" 0s ", 0), ("1d2h3m4s", 93784)],
)
def test_durations_follow_prometheus(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1x", "1.5h", "h", "30m1h", "-1h", "1h 30m", "500ms", "1H", "1e3s", "\u0661h"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write 90s, 15m, 1h30m or 7d"):
        parse_duration(text)


def test_a_number_without_a_unit_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match=exactly('"3600" has no unit; for seconds, write 3600s')):
        parse_duration("3600")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("59s", "59s is out of range; use 1m to 35d"),
        ("0s", "0s is out of range; use 1m to 35d"),
        ("35d1s", "35d1s is out of range; use 1m to 35d"),
    ],
)
def test_durations_have_bounds(text: str, message: str) -> None:
    assert [parse_bounded_duration(bound, least=60) for bound in ("60s", "35d")] == [60, 35 * 86400]
    with pytest.raises(ValueError, match=exactly(message)):
        parse_bounded_duration(text, least=60)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (900, "15m"), (1209600, "14d"), (93784, "1d2h3m4s")])
def test_durations_are_shown_in_days_and_smaller(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=10**9))
def test_a_formatted_duration_can_be_parsed_again(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


def test_booleans_have_several_spellings() -> None:
    assert all(parse_boolean(text) is True for text in ("true", "yes", "on", "YES", " on "))
    assert all(parse_boolean(text) is False for text in ("false", "no", "off", "False"))


@pytest.mark.parametrize("text", ["1", "y", "", "maybe"])
def test_other_words_are_not_booleans(text: str) -> None:
    with pytest.raises(ValueError, match=f'^"{text}" is not a boolean; use true or false$'):
        parse_boolean(text)


def test_snapshots_are_made_or_not() -> None:
    assert parse_snapshots(" Auto ")
    assert not parse_snapshots("never")
    for text in ("", "always", "false"):
        with pytest.raises(ValueError, match=exactly(f"{quoted(text)} is not valid; use auto or never")):
            parse_snapshots(text)


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("010", 10), (" 365 ", 365)])
def test_counts_are_decimal(text: str, count: int) -> None:
    assert parse_count(text, most=365) == count


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1_0", "0x10", "", "\u0661", "0366", "1" * 5000])
def test_other_counts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=exactly(f"{quoted(text)} is not a whole number from 1 to 365")):
        parse_count(text, most=365)


@pytest.mark.parametrize("name", ["America/New_York", "US/Eastern", "UTC", " America/Phoenix "])
def test_zones_have_iana_names(name: str) -> None:
    assert parse_zone(name).key == name.strip()


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("US/East", 'did you mean "US/Eastern"?'),
        ("America/NewYork", NEW_YORK),
        ("america/new york", NEW_YORK),
        ("right/America/New_York", NEW_YORK),
        ("eastern", NEW_YORK),
        ("CDT", 'did you mean "America/Chicago"?'),
        ("../etc", AREA_CITY),
        ("/etc/passwd", AREA_CITY),
        ("+05:00", AREA_CITY),
    ],
)
def test_an_unknown_zone_is_refused_with_a_suggestion(name: str, advice: str) -> None:
    with pytest.raises(ValueError, match=exactly(f'unknown time zone "{name}"; {advice}')):
        parse_zone(name)


@pytest.mark.parametrize("name", ["America", "x\0y", "\ud800", "x" * 5000])
def test_no_text_breaks_the_zone_lookup(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        parse_zone(name)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["__name__", "1a", "a-b", "é"],
            "not a valid label name; use letters, digits and _, and do not begin with a digit or __",
        ),
        (
            ["portal", "account", "location", "meter", "period"],
            "the exporter sets this label itself; choose another name",
        ),
    ],
)
def test_label_names_are_valid_and_not_our_own(names: list[str], message: str) -> None:
    assert [parse_label_name(name) for name in ("site", "_x1")] == ["site", "_x1"]
    for name in names:
        with pytest.raises(ValueError, match=exactly(message)):
            parse_label_name(name)


def test_quoted_text_is_short_and_on_one_line() -> None:
    assert quoted('a\n"' + "b" * 100) == '"a\\n\\"' + "b" * 57 + '..."'
