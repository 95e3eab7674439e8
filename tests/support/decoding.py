"""Decode the simulated portal's answers without the exporter's code, and compare them with its truth."""

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
"""Usage, export and cost by the start of their interval."""
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no zone


def instants_of(x: int, zone: ZoneInfo) -> list[int]:
    """Return the instants, none to two, at which the wall clock shows `x` (milliseconds as if it were UTC)."""
    naive = EPOCH + timedelta(milliseconds=x)
    found = {int(naive.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1)}
    back = {
        instant: datetime.fromtimestamp(instant, UTC).astimezone(zone).replace(tzinfo=None, fold=0) for instant in found
    }
    return sorted(instant for instant, clock in back.items() if clock == naive)


def placed(data: list[Json], zone: ZoneInfo) -> Values:
    """Return the values of a series by instant: the n-th point with the same x is its n-th instant."""
    turns: defaultdict[int, int] = defaultdict(int)
    values: Values = {}
    for point in sorted(data, key=lambda point: int(point["x"])):
        turn = turns[point["x"]]
        turns[point["x"]] += 1
        instants = instants_of(point["x"], zone)
        if not instants:
            assert not point.get("y"), "only zeros are allowed in the skipped hour"
            continue
        if point.get("y") is not None:
            values[instants[turn]] = point["y"]
    return values


def added(series: list[Values]) -> Values:
    """Add up the channels of one direction, identical ones once."""
    different = [values for n, values in enumerate(series) if values not in series[:n]]
    return {
        instant: sum(values.get(instant, 0.0) for values in different) for values in different for instant in values
    }


def usage_and_export(channels: dict[str, list[Values]]) -> tuple[Values, Values]:
    """Return usage and export by direction (docs/portal.md, "Directions")."""
    channels = dict(channels)
    if len(channels) > 1:
        channels.pop("SIDEWAYS", None)  # perhaps a copy
    if "DELIVERED" in channels and "NET" in channels:
        del channels["DELIVERED"], channels["RECEIVED"]  # the simulated portal names them the wrong way round
    total = channels.get("TOTAL")
    usage = added([values for name, each in channels.items() for values in each if name not in _OTHERS]) or (
        added(total) if total else {}
    )
    every_export = [values for word in _EXPORT for values in channels.get(word, [])]
    export = {at: abs(kwh) for at, kwh in added(every_export).items()}
    net = added(channels.get("NET", []))
    if net and not usage and not export:
        return {at: max(0.0, kwh) for at, kwh in net.items()}, {at: max(0.0, -kwh) for at, kwh in net.items()}
    if net and not export:
        export = {at: _over(usage[at] - kwh) for at, kwh in net.items()}
    if net and not usage:
        usage = {at: _over(kwh + export[at]) for at, kwh in net.items()}
    positive = {at: max(0.0, kwh) for at, kwh in usage.items()}
    if not export and any(kwh < -0.02 for kwh in usage.values()):
        return positive, {at: max(0.0, -kwh) for at, kwh in usage.items()}
    return positive, export


_EXPORT = ("RETURN", "REVERSE", "RECEIVED")
_OTHERS = ("TOTAL", *_EXPORT, "NET")


_LABELLED = ("SIDEWAYS", "Generation")


def _over(kwh: float) -> float:
    return round(kwh, 6) if round(kwh, 6) > 0.02 else 0.0


def decoded(member: Member, spec: MeterSpec, start: int, end: int) -> Decoded:
    """Decode the answers for one meter, without unfinished intervals and without placeholders at the end."""
    zone = ZoneInfo(member.portal.world.zone)
    is_daily = spec.resolution is Resolution.DAYS
    entries = member.entries(start, end, "DAILY" if is_daily else "HOURLY", spec.industry)
    direction_of = {each["seriesId"]: each.get("flowDirection", "") for each in entries["USAGE"]["meters"]}
    direction_of |= {name: "RETURN" for name, word in direction_of.items() if (word, name[-10:]) == _LABELLED}
    channels: defaultdict[str, list[Values]] = defaultdict(list)
    for series in entries["USAGE"]["series"]:
        if series["meterNumber"] == spec.number:
            channels[direction_of[series["name"]]].append(placed(series["data"], zone))
    costs = [
        placed(series["data"], zone)
        for series in entries.get("COST", {"series": []})["series"]
        if series["meterNumber"] == spec.number and (direction_of[series["name"]] != "NET" or len(direction_of) == 1)
    ]
    usage, export = usage_and_export(dict(channels))
    cost = {at: sum(values.get(at, 0.0) for values in costs) for values in costs for at in values}
    found = {
        at: (_six(usage.get(at)), _six(export.get(at)), _six(cost.get(at)))
        for at in sorted({*usage, *export, *cost})
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
    """Assert that answer and truth agree, per interval and in total; return the decoded answer."""
    found = decoded(member, spec, start, end)
    assert found == shape(member.portal.almanac.intervals(spec, start, end))
    truth = member.portal.truth(spec, start, end)
    sums = tuple(total([values[n] for values in found.values()]) for n in range(3))
    assert (truth.usage, truth.export, truth.cost) == sums
    assert (truth.start, truth.end) == (start, end)
    return found
