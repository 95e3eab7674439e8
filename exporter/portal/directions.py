"""From the channels of one meter to its usage and export (docs/portal.md, "Directions")."""

from collections.abc import Mapping, Sequence
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
    """One channel of a meter. direction: the portal's word for `flow` in upper case, or empty."""

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
    """Usage and export of one meter in kWh, by the start of the interval; missing values are absent.

    exports: it has a channel for export or net energy, or exported energy in this answer. signed: it has no such
    channel, so that only a negative value can show export.
    """

    usage: dict[int, float] = field(default_factory=dict)
    export: dict[int, float] = field(default_factory=dict)
    exports: bool = False
    signed: bool = True
    warnings: list[str] = field(default_factory=list)


def resolve(channels: Sequence[tuple[Channel, Values]]) -> Energy:
    """Return usage and export, whatever channels the meter has. A channel without values is ignored."""
    given = [(channel, values) for channel, values in channels if any(value is not None for value in values.values())]

    def of(flow: Flow) -> dict[int, float] | None:
        return _added([values for channel, values in given if channel.flow is flow])

    drawn, sent, net = of(Flow.IMPORT), of(Flow.EXPORT), of(Flow.NET)
    if drawn is None:
        drawn = of(Flow.TOTAL)
    if sent is not None:
        return _with_export(drawn, sent, net)
    if net is not None:
        return _with_net(drawn, net)
    return _by_sign(drawn or {})


def _added(channels: Sequence[Values]) -> dict[int, float] | None:
    """Add up channels, identical ones once. Returns None if there is no channel."""
    different: list[Values] = []
    for values in channels:
        if values not in different:
            different.append(values)
    if not different:
        return None
    total: dict[int, float] = {}
    for values in different:
        for instant, value in values.items():
            if value is not None:
                total[instant] = total.get(instant, 0.0) + value
    return total


def _with_export(drawn: dict[int, float] | None, sent: dict[int, float], net: dict[int, float] | None) -> Energy:
    energy = Energy(export={instant: abs(value) for instant, value in sent.items()}, exports=True, signed=False)
    if drawn is None and net is not None:
        drawn = {
            instant: _above_rounding(value + energy.export[instant])
            for instant, value in net.items()
            if instant in energy.export
        }
    for instant, value in (drawn or {}).items():
        if value < 0:
            energy.warnings.append("negative import beside an export channel was dropped")
        else:
            energy.usage[instant] = value
    return energy


def _with_net(drawn: dict[int, float] | None, net: dict[int, float]) -> Energy:
    energy = Energy(exports=True, signed=False)
    if drawn is None:
        energy.usage = {instant: max(0.0, value) for instant, value in net.items()}
        energy.export = {instant: max(0.0, -value) for instant, value in net.items()}
        return energy
    for instant, value in drawn.items():
        energy.usage[instant] = max(0.0, value)
        if value < 0:
            energy.export[instant] = -value
        elif instant in net:
            energy.export[instant] = _above_rounding(value - net[instant])
    return energy


def _by_sign(drawn: dict[int, float]) -> Energy:
    energy = Energy(exports=any(value < 0 for value in drawn.values()))
    energy.usage = {instant: max(0.0, value) for instant, value in drawn.items()}
    if energy.exports:
        energy.export = {instant: max(0.0, -value) for instant, value in drawn.items()}
    return energy


def _above_rounding(value: float) -> float:
    # A sum of binary fractions can be slightly above the limit although its decimals are not.
    return value if round(value, 6) > _ROUNDING else 0.0
