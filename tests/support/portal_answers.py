"""Answers in the portal's format, and local days computed independently.

The days are computed with the standard library only, so that tests compare with something independent.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import settings
from hypothesis import strategies as st

from exporter.errors import ProtocolError
from exporter.portal.directions import Channel, Flow
from exporter.portal.usage import decode
from exporter.portal.usage_answer import UsageAnswer

Json = Any
"""Any JSON value."""
Pair = tuple[int, float | None]
"""A point: wall-clock seconds and a value."""

MINUTE, QUARTER, HOUR, DAY = 60, 900, 3600, 86400
STEPS = tuple(minutes * MINUTE for minutes in (5, 10, 15, 20, 30, 60))

US_ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "Pacific/Honolulu",
    "Pacific/Palau",
    *sorted(name for name in available_timezones() if name.startswith("America/Indiana/")),
)
CHANGING_ZONES = tuple(name for name in US_ZONES if name.startswith("America/") and name != "America/Phoenix")
ODD_ZONE = "Australia/Lord_Howe"  # clocks change by half an hour, in the opposite seasons

examples = settings(max_examples=40, derandomize=True)
"""The same examples on every run, and few of them to save time."""


LEAK = "Xq7vKz"
"""Text that no message may quote."""
_SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats()
_TEXTS = st.sampled_from(
    [LEAK, f"12 {LEAK} Road", "", "-1", "9" * 400, 10**400, -(10**400), "USAGE", "ELECTRIC", "KWH"]
)


def hostile(*keys: str) -> st.SearchStrategy[Json]:
    """Return a strategy for any JSON, with these keys or others."""
    names = st.sampled_from([*keys, LEAK])
    return st.recursive(
        _SCALARS | _TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
        max_leaves=12,
    )


def assert_read_or_refused(read: Callable[[], object]) -> None:
    """Check that reading works, or fails with a ProtocolError that quotes no value."""
    said = ""
    try:
        read()
    except ProtocolError as error:
        said = f"{error}{'' if error.__suppress_context__ else error.__context__ or ''}"
    assert LEAK not in said
    assert said.isprintable()


# -- local days, without the code under test


def wall(text: str) -> int:
    """Return the wall-clock seconds of `2026-01-05 13:45` or of `2026-01-05`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def instant(text: str) -> int:
    """Return the instant of `2026-01-05 13:45-05:00`."""
    return int(datetime.fromisoformat(text).timestamp())


@cache
def wall_of(moment: int, zone: str) -> int:
    """Return what the clock of a zone shows at an instant."""
    offset = datetime.fromtimestamp(moment, ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return moment + int(offset.total_seconds())


def midnight(day: date, zone: str) -> int:
    """Return the instant at which a local day begins, in a zone whose clocks never change at midnight."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp())


@cache
def bounds_of(day: date, zone: str) -> tuple[int, int]:
    """Return the instants at which a local day begins and ends."""
    return midnight(day, zone), midnight(day + timedelta(days=1), zone)


def instants_of(day: date, zone: str, step: int) -> list[int]:
    """Return the instants at which the intervals of a local day begin."""
    return list(range(*bounds_of(day, zone), step))


def firsts_of(day: date, zone: str, step: int) -> list[int]:
    """Return the same without the second instants of the repeated hour."""
    by_wall: dict[int, int] = {}
    for moment in instants_of(day, zone, step):
        by_wall.setdefault(wall_of(moment, zone), moment)
    return list(by_wall.values())


def walls_of(day: date, step: int) -> list[int]:
    """Return every wall time on the grid of a day, including those missing in spring."""
    start = wall(day.isoformat())
    return list(range(start, start + DAY, step))


@cache
def changes(zone: str, year: int) -> tuple[date, ...]:
    """Return the days of a year on which the clocks of a zone change."""
    days = (date(year, month, 1) + timedelta(days=number) for month in (3, 4, 10, 11) for number in range(30))
    return tuple(day for day in days if bounds_of(day, zone)[1] - bounds_of(day, zone)[0] != DAY)


def spring(zone: str, year: int) -> date:
    """Return the short day of a year."""
    return next(day for day in changes(zone, year) if bounds_of(day, zone)[1] - bounds_of(day, zone)[0] < DAY)


def autumn(zone: str, year: int) -> date:
    """Return the long day of a year."""
    return next(day for day in changes(zone, year) if bounds_of(day, zone)[1] - bounds_of(day, zone)[0] > DAY)


# -- JSON of the usage poll


def points(pairs: Iterable[Pair]) -> list[Json]:
    return [{"x": time * 1000, "y": value, "enableDrilldown": False} for time, value in pairs]


def meter(number: Json = "M1", series_id: Json = None, *, flow: str | None = "FORWARD", **more: Json) -> Json:
    """Return an item of `meters`, without flowDirection if flow is None."""
    label = number if series_id is None else series_id
    item: dict[str, Json] = {"meterNumber": number, "seriesId": label, "channel": 1}
    item |= {"unitOfMeasure": "KWH", "isParentMeter": False, "isNetMeter": False, "parentMeters": [], "visible": True}
    if flow is not None:
        item["flowDirection"] = flow
    return item | more


def series(name: str = "M1", pairs: Iterable[Pair] = (), **more: Json) -> Json:
    """Return an item of `series`, with the part of its name before " - " as meterNumber."""
    item: dict[str, Json] = {"name": name, "meterNumber": name.partition(" - ")[0], "channel": 1, "type": "column"}
    return item | {"data": points(pairs)} | more


def chart(walls: Iterable[int], last: int = QUARTER) -> Json:
    """Return `xToOrderedInterval`, in which every charted time ends at the next one.

    last: the length of the last interval, in seconds.
    """
    times = sorted(set(walls))
    ends = [following for _, following in pairwise(times)] + [times[-1] + last] if times else []
    return {
        str(start * 1000): {"createTickDrillDownLink": False, "interval": {"start": start * 1000, "end": end * 1000}}
        for start, end in zip(times, ends, strict=True)
    }


def usage(meters: Sequence[Json], serieses: Sequence[Json], **more: Json) -> Json:
    """Return a USAGE entry."""
    entry: dict[str, Json] = {"type": "USAGE", "industry": "ELECTRIC", "timeFrame": "HOURLY", "unitOfMeasure": "KWH"}
    entry |= {"connectDate": "May 4, 2019", "baseSeries": {"data": []}, "estimatedSeries": {}, "editedSeries": {}}
    return entry | {"meters": list(meters), "series": list(serieses), "xToOrderedInterval": {}} | more


def cost(serieses: Sequence[Json], meters: Sequence[Json] = (), **more: Json) -> Json:
    """Return a COST entry."""
    return {"type": "COST", "unitOfMeasure": "USD", "series": list(serieses), "meters": list(meters)} | more


def time_of_use(meters: Sequence[Json], serieses: Sequence[Json], **more: Json) -> Json:
    """Return a TIME_OF_USE entry."""
    return {"type": "TIME_OF_USE", "unitOfMeasure": "KWH", "meters": list(meters), "series": list(serieses)} | more


def electric(*entries: Json) -> Json:
    """Return the `data` of a COMPLETE poll."""
    return {"ELECTRIC": list(entries)}


def one_meter(pairs: Sequence[Pair], *, charted: bool = True, flow: str | None = "FORWARD", **more: Json) -> Json:
    """Return the `data` of an ordinary location: one meter with one channel."""
    interval_map = chart(time for time, _ in pairs) if charted else {}
    return electric(usage([meter(flow=flow)], [series(pairs=pairs)], xToOrderedInterval=interval_map, **more))


def answer(*entries: Json) -> UsageAnswer:
    return decode(electric(*entries))


NET_METER = (
    meter("M7", "M7 - Consumption", flow="FORWARD", channel=1, isNetMeter=True),
    meter("M7", "M7 - Generation", flow="REVERSE", channel=2, isNetMeter=True),
    meter("M7", "M7 - Net", flow="NET", channel=3, isNetMeter=True),
)
"""One physical meter with three channels."""


def net_series(drawn: Iterable[Pair], sent: Iterable[Pair], net: Iterable[Pair]) -> list[Json]:
    return [
        series("M7 - Consumption", drawn, channel=1, isNet=False),
        series("M7 - Generation", sent, channel=2, isNet=False),
        series("M7 - Net", net, channel=3, isNet=True),
    ]


def channel(flow: Flow = Flow.IMPORT, number: str = "M1") -> Channel:
    """Return a channel as decoded from an answer."""
    return Channel(number, f"{number} - {flow.value}", "1", flow, flow.name)


# -- JSON of accounts


def account(number: Json = "55001", **more: Json) -> Json:
    """Return an object of `user-data` with one electric location."""
    item: dict[str, Json] = {"account": number, "customer": "9", "inactive": False}
    item["address"] = "12 OAK RD SPRINGFIELD VA 22150"
    item |= {"services": ["ELEC"], "serviceToServiceDescription": {"ELEC": "Electric Service"}}
    item |= {"serviceLocationToIndustries": {"4411": ["ELECTRIC"]}}
    return item | {"serviceLocationToUserDataServiceLocationSummaries": {"4411": [summary()]}} | more


def summary(**more: Json) -> Json:
    """Return the summary of one location in `user-data`."""
    item: dict[str, Json] = {"services": ["ELEC"], "serviceStatus": "ACTIVE"}
    item["id"] = {"srvLocNbr": 4411, "serviceLocation": "4411"}
    return item | {"address": {"addr1": "12 OAK RD", "city": "SPRINGFIELD", "state": "VA", "zip": "22150"}} | more
