"""From the channels of a meter to usage and export (docs/portal.md, "Directions")."""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum


class Flow(Enum):
    """Which way the energy of a channel goes.

    UNNAMED and UNKNOWN: the portal states no direction, or an unknown word; `settled` decides about them.
    IGNORED: may repeat the energy of another channel, so it is left out.
    """

    IMPORT = "import"
    TOTAL = "total"
    EXPORT = "export"
    NET = "net"
    UNNAMED = "unnamed"
    UNKNOWN = "unknown"
    IGNORED = "ignored"


USAGE = (Flow.IMPORT, Flow.TOTAL)
DOUBTFUL = (Flow.UNNAMED, Flow.UNKNOWN)
FLOWS = {
    "FORWARD": Flow.IMPORT,
    "TOTAL": Flow.TOTAL,
    "RETURN": Flow.EXPORT,
    "REVERSE": Flow.EXPORT,
    "NET": Flow.NET,
}
GUESSES = {"DELIVERED": Flow.IMPORT, "RECEIVED": Flow.EXPORT, "GENERATION": Flow.EXPORT}
"""Words that no recorded answer has; what they mean comes from co-ops' bills."""
_LABELS = {"CONSUMPTION": Flow.IMPORT, "GENERATION": Flow.EXPORT, "NET": Flow.NET}
"""The last words of a series' label that name the direction of its channel."""


def flow_of(direction: str, label: str = "", *, is_net: bool = False) -> Flow:
    """Return the flow of a channel by the portal's word for it, else by the label of its series.

    direction: in uppercase, empty if there is none. is_net: the portal says that the series is net energy.
    """
    known = FLOWS.get(direction) or GUESSES.get(direction) or _LABELS.get(last_word(label).upper())
    return known or (Flow.NET if is_net else Flow.UNKNOWN if direction else Flow.UNNAMED)


def last_word(label: str) -> str:
    """Return the last word of a label."""
    return (label.split() or [""])[-1]


class UnusualWords:
    """The words for directions that a login was warned about; at most `most` are remembered."""

    def __init__(self, most: int = 20) -> None:
        self._most = most
        self._known: set[str] = set()

    def new(self, words: Iterable[str]) -> list[str]:
        """Return and remember the words that are new."""
        new = [word for word in dict.fromkeys(words) if word not in self._known][: self._most - len(self._known)]
        self._known.update(new)
        return new


def about_word(word: str) -> str:
    """Return the warning about a word for a direction."""
    known = GUESSES.get(word)
    meaning = f"counts as {'usage' if known is Flow.IMPORT else 'export'}" if known else "is unknown"
    return f"the flow direction {word} {meaning}; compare the meter's usage and export with the SmartHub website"


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a meter.

    direction: the portal's name for `flow` in uppercase, or empty. parents: the meters that this one is part of.
    is_described: whether an item of `meters` describes it, else only its series does. is_by_label: whether `flow` is
    only what its label says.
    """

    meter: str
    series_id: str
    number: str
    flow: Flow
    direction: str
    parent: bool = False
    net: bool = False
    unit: str = ""
    parents: tuple[str, ...] = ()
    is_described: bool = True
    is_by_label: bool = False


def settled(channels: Sequence[Channel], with_series: Collection[Channel]) -> list[Channel]:
    """Decide about the channels of one meter without a known direction.

    At most one of them counts as usage: the one with the lowest number that has a series, unless the meter has another
    channel for usage. The rest may repeat its energy, so they are never added. The same goes for each direction that
    only labels name.
    """
    channels = _settled_by_label(channels, with_series)
    doubtful = [each for each in channels if each.flow in DOUBTFUL]
    # An item of `meters` without a direction is a channel for usage; one with another word may be anything.
    plain = [each for each in doubtful if each.flow is Flow.UNNAMED and each.is_described]
    has_usage = any(each.flow in USAGE for each in channels)
    candidates = () if has_usage else [each for each in plain or doubtful if each in with_series]
    chosen = min(candidates, key=lambda each: _number(each.number), default=None)
    return [
        replace(each, flow=Flow.IMPORT if each is chosen else Flow.IGNORED) if each in doubtful else each
        for each in channels
    ]


def _settled_by_label(channels: Sequence[Channel], with_series: Collection[Channel]) -> list[Channel]:
    """Ignore channels whose direction only a label names beside another one of this direction."""
    left_out: list[Channel] = []
    for flows in (USAGE, (Flow.EXPORT,), (Flow.NET,)):
        found = [each for each in channels if each.flow in flows and each in with_series]
        by_label = sorted((each for each in found if each.is_by_label), key=lambda each: _number(each.number))
        left_out += by_label[int(len(by_label) == len(found)) :]
    return [replace(each, flow=Flow.IGNORED) if each in left_out else each for each in channels]


def _number(text: str) -> tuple[int, str]:
    return (int(text) if text.isdecimal() else sys.maxsize, text)


Values = Mapping[int, float | None]
"""kWh by the start of the interval (seconds UTC); None if the portal has no value."""

_ROUNDING = 0.02  # kWh: the portal rounds NET and the channels it comes from independently


@dataclass(slots=True)
class Energy:
    """Usage and export of one meter in kWh, by the start of the interval.

    Missing values are absent. exports: whether it has a channel for export or net energy, or exported energy in this
    answer; if not, `export` has only what counts for a meter that is known to export. signed: whether it has no such
    channel, so that only a negative value can show export.
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
        """Add up the channels of the first flow that has any."""
        for flow in flows:
            found = [values for channel, values in given if channel.flow is flow]
            if found:
                return total(found)
        return None

    usage, export, net = of(Flow.IMPORT, Flow.TOTAL), of(Flow.EXPORT), of(Flow.NET)
    if export is not None:
        energy = _with_export(usage, export, net)
    elif net is not None and usage is not None:
        energy = _with_net(usage, net)
    else:
        return _by_sign(usage or net or {}, is_net=net is not None)
    if net is not None and any(each.direction in GUESSES for each, _ in given) and _disagrees(energy, net):
        energy = _by_sign(net, is_net=True)
        energy.warnings.append("usage and export do not add up to net energy; used net energy instead")
    return energy


def total(several: Iterable[Values]) -> dict[int, float]:
    """Add up values by their instant, without those that are missing; identical ones count once.

    Portals repeat series, and repeated ones would double energy and cost (docs/portal.md, "Directions").
    """
    different: list[Values] = []
    for values in several:
        if values not in different:
            different.append(values)
    added = {instant: value for instant, value in different[0].items() if value is not None} if different else {}
    for values in different[1:]:
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
    if usage and min(usage.values()) < 0:
        energy.warnings.append("dropped negative usage, because the meter also has an export channel")
        usage = {instant: value for instant, value in usage.items() if value >= 0}
    energy.usage = usage or {}
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


def _disagrees(energy: Energy, net: dict[int, float]) -> bool:
    """Check whether usage less export differs from net energy in most intervals."""
    both = [instant for instant in net if instant in energy.usage and instant in energy.export]
    wrong = sum(
        _above_rounding(abs(energy.usage[instant] - energy.export[instant] - net[instant])) > 0 for instant in both
    )
    return 2 * wrong > len(both)


def _by_sign(values: dict[int, float], *, is_net: bool) -> Energy:
    # Without solar, corrections can be slightly negative (docs/portal.md, "Directions").
    exports = is_net or any(_above_rounding(-value) for value in values.values())
    return Energy(
        usage={instant: max(0.0, value) for instant, value in values.items()},
        export={instant: max(0.0, -value) for instant, value in values.items() if exports or value < 0},
        exports=exports,
        signed=not is_net,
    )


def _above_rounding(value: float) -> float:
    # A sum of binary fractions can be slightly above the limit although its decimals are not.
    return value if round(value, 6) > _ROUNDING else 0.0
