"""The simulated portal's answers decoded by the contract alone, to be held against its truth."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from exporter.simulator.specs import MeterSpec, Resolution
from exporter.simulator.truth import Truth

from .member import DAY, Member

Json = Any
Values = dict[int, float]
Decoded = dict[int, tuple[float | None, float | None, float | None]]
"""Usage, export and cost by instant."""
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no zone


def instants_of(x: int, zone: ZoneInfo) -> list[int]:
    """The instants at which the clock shows x (ms, wall clock as if UTC): none, one or two."""
    naive = EPOCH + timedelta(milliseconds=x)
    found = {int(naive.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1)}
    back = {
        instant: datetime.fromtimestamp(instant, UTC).astimezone(zone).replace(tzinfo=None, fold=0) for instant in found
    }
    return sorted(instant for instant, clock in back.items() if clock == naive)


def placed(data: list[Json], zone: ZoneInfo) -> Values:
    """The values of a series at real instants: the n-th point with the same x is its n-th instant."""
    turns: defaultdict[int, int] = defaultdict(int)
    values: Values = {}
    for point in sorted(data, key=lambda point: int(point["x"])):
        turn = turns[point["x"]]
        turns[point["x"]] += 1
        instants = instants_of(point["x"], zone)
        if not instants:
            assert not point.get("y"), "only zeros stand in the hour that there is not"
            continue
        if point.get("y") is not None:
            values[instants[turn]] = point["y"]
    return values


def added(series: list[Values]) -> Values:
    """Channels of one direction: added unless identical."""
    different = [values for n, values in enumerate(series) if values not in series[:n]]
    return {
        instant: sum(values.get(instant, 0.0) for values in different) for values in different for instant in values
    }


def drawn_and_sent(channels: dict[str, list[Values]]) -> tuple[Values, Values]:
    """Import and export by the directions of contract 3."""
    total = channels.get("TOTAL")
    drawn = added([values for name, each in channels.items() for values in each if name not in _OTHERS]) or (
        added(total) if total else {}
    )
    sent = {at: abs(kwh) for at, kwh in added(channels.get("RETURN", []) + channels.get("REVERSE", [])).items()}
    net = added(channels.get("NET", []))
    if net and not drawn and not sent:
        return {at: max(0.0, kwh) for at, kwh in net.items()}, {at: max(0.0, -kwh) for at, kwh in net.items()}
    if net and not sent:
        sent = {at: _over(drawn[at] - kwh) for at, kwh in net.items()}
    if net and not drawn:
        drawn = {at: _over(kwh + sent[at]) for at, kwh in net.items()}
    if not sent and any(kwh < 0 for kwh in drawn.values()):
        return {at: max(0.0, kwh) for at, kwh in drawn.items()}, {at: max(0.0, -kwh) for at, kwh in drawn.items()}
    return drawn, sent


_OTHERS = ("TOTAL", "RETURN", "REVERSE", "NET")


def _over(kwh: float) -> float:
    return round(kwh, 6) if round(kwh, 6) > 0.02 else 0.0


def decoded(member: Member, spec: MeterSpec, start: int, end: int) -> Decoded:
    """What an answer says of one meter, without intervals that still run and without placeholders at the end."""
    zone = ZoneInfo(member.portal.world.zone)
    is_daily = spec.resolution is Resolution.DAYS
    entries = member.entries(start, end, "DAILY" if is_daily else "HOURLY")
    direction_of = {each["seriesId"]: each.get("flowDirection", "") for each in entries["USAGE"]["meters"]}
    channels: defaultdict[str, list[Values]] = defaultdict(list)
    for series in entries["USAGE"]["series"]:
        if series["meterNumber"] == spec.number:
            channels[direction_of[series["name"]]].append(placed(series["data"], zone))
    costs = [
        placed(series["data"], zone)
        for series in entries.get("COST", {"series": []})["series"]
        if series["meterNumber"] == spec.number and (direction_of[series["name"]] != "NET" or len(direction_of) == 1)
    ]
    drawn, sent = drawn_and_sent(dict(channels))
    cost = {at: sum(values.get(at, 0.0) for values in costs) for values in costs for at in values}
    found = {
        at: (_six(drawn.get(at)), _six(sent.get(at)), _six(cost.get(at)))
        for at in sorted({*drawn, *sent, *cost})
        if is_daily or (at + spec.step <= member.clock.now() and at % spec.step == 0)
    }
    while found and not any(found[max(found)][:2]) and member.clock.now() - max(found) < 2 * DAY:
        del found[max(found)]
    return found


def _six(value: float | None) -> float | None:
    return None if value is None else round(value, 6) + 0.0


def shape(truths: list[Truth]) -> Decoded:
    return {each.start: (each.usage, each.export, each.cost) for each in truths}


def total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None


def compare(member: Member, spec: MeterSpec, start: int, end: int) -> Decoded:
    """Answer and truth agree, interval by interval and in their sums."""
    found = decoded(member, spec, start, end)
    assert found == shape(member.portal.almanac.intervals(spec, start, end))
    whole = member.portal.truth(spec, start, end)
    sums = tuple(total([values[n] for values in found.values()]) for n in range(3))
    assert (whole.usage, whole.export, whole.cost) == sums
    assert (whole.start, whole.end) == (start, end)
    return found
