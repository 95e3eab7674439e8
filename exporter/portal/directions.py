"""From the channels of a meter to usage and export (docs/portal.md, "Directions")."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


class Flow(Enum):
    """Which way the energy of a channel goes."""

    IMPORT = "import"
    TOTAL = "total"
    EXPORT = "export"
    NET = "net"


FLOWS = {
    "FORWARD": Flow.IMPORT,
    "TOTAL": Flow.TOTAL,
    "": Flow.IMPORT,
    "RETURN": Flow.EXPORT,
    "REVERSE": Flow.EXPORT,
    "NET": Flow.NET,
}


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a meter.

    direction: the portal's name for `flow` in uppercase, or empty.
    """

    meter: str
    series_id: str
    number: str
    flow: Flow
    direction: str
    parent: bool = False
    net: bool = False
    unit: str = ""


Values = Mapping[int, float | None]
"""kWh by the start of the interval (seconds UTC); None if the portal has no value."""

_ROUNDING = 0.02  # kWh: the portal rounds NET and the channels it comes from independently


@dataclass(slots=True)
class Energy:
    """Usage and export of one meter in kWh, by the start of the interval.

    Missing values are absent. exports: whether it has a channel for export or net energy, or exported energy in this
    answer. signed: whether it has no such channel, so that only a negative value can show export.
    """

    usage: dict[int, float] = field(default_factory=dict)
    export: dict[int, float] = field(default_factory=dict)
    exports: bool = False
    signed: bool = True
    warnings: list[str] = field(default_factory=list)


def resolve(channels: Sequence[tuple[Channel, Values]]) -> Energy:
    """Return usage and export, whatever channels the meter has.

    A channel without values is ignored.
    """
    given = [(channel, values) for channel, values in channels if any(value is not None for value in values.values())]

    def of(*flows: Flow) -> dict[int, float] | None:
        """Add up the channels of the first flow that has any, identical ones once."""
        for flow in flows:
            different: list[Values] = []
            for channel, values in given:
                if channel.flow is flow and values not in different:
                    different.append(values)
            if different:
                return total(different)
        return None

    usage, export, net = of(Flow.IMPORT, Flow.TOTAL), of(Flow.EXPORT), of(Flow.NET)
    if export is not None:
        return _with_export(usage, export, net)
    if net is not None and usage is not None:
        return _with_net(usage, net)
    return _by_sign(usage or net or {}, is_net=net is not None)


def total(several: Iterable[Values]) -> dict[int, float]:
    """Add up values by their instant, without those that are missing."""
    added: dict[int, float] = {}
    for values in several:
        for instant, value in values.items():
            if value is not None:
                added[instant] = added.get(instant, 0.0) + value
    return added


def _with_export(usage: dict[int, float] | None, export: dict[int, float], net: dict[int, float] | None) -> Energy:
    energy = Energy(export={instant: abs(value) for instant, value in export.items()}, exports=True, signed=False)
    if usage is None and net is not None:
        usage = {
            instant: _above_rounding(value + energy.export[instant])
            for instant, value in net.items()
            if instant in energy.export
        }
    for instant, value in (usage or {}).items():
        if value < 0:
            energy.warnings.append("negative usage was dropped, because the meter also has an export channel")
        else:
            energy.usage[instant] = value
    return energy


def _with_net(usage: dict[int, float], net: dict[int, float]) -> Energy:
    energy = Energy(exports=True, signed=False)
    for instant, value in usage.items():
        energy.usage[instant] = max(0.0, value)
        if value < 0:
            energy.export[instant] = -value
        elif instant in net:
            energy.export[instant] = _above_rounding(value - net[instant])
    return energy


def _by_sign(values: dict[int, float], *, is_net: bool) -> Energy:
    energy = Energy(exports=is_net or any(value < 0 for value in values.values()), signed=not is_net)
    energy.usage = {instant: max(0.0, value) for instant, value in values.items()}
    if energy.exports:
        energy.export = {instant: max(0.0, -value) for instant, value in values.items()}
    return energy


def _above_rounding(value: float) -> float:
    # A sum of binary fractions can be slightly above the limit although its decimals are not.
    return value if round(value, 6) > _ROUNDING else 0.0
