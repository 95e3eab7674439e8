"""Bars made of characters."""

from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"
_PLAIN = " ....####"
_FULL = 8
_LEVELS = 5
_AXIS = 8
_WIDTH = 2


def chart(bars: Sequence[tuple[str, float | None]], *, plain: bool = False, levels: int = _LEVELS) -> list[str]:
    """The lines of a bar chart of kWh with its scale at the left and every third label below.

    plain: for terminals that know ASCII alone. A missing value is a dot on the ground, which 0 is not.
    """
    top = max((value for _, value in bars if value), default=0.0)
    lines = []
    for level in range(levels - 1, -1, -1):
        cells = [_cell(value, top, level, levels, plain=plain) for _, value in bars]
        scale = f"{top * (level + 1) / levels:.2f}" if level in (levels - 1, 0) else ""
        lines.append((f"{scale:>{_AXIS - 1}} " + " ".join(cells)).rstrip())
    ground = "".join(f"{label:<{(_WIDTH + 1) * 3}}" for label, _ in bars[::3])
    return [*lines, (" " * _AXIS + ground).rstrip()]


def _cell(value: float | None, top: float, level: int, levels: int, *, plain: bool) -> str:
    if value is None:
        return "· " if not plain and level == 0 else "? " if level == 0 else "  "
    eighths = round(value / top * levels * _FULL) if top else 0
    if value and level == 0:
        eighths = max(1, eighths)  # little is not nothing
    filled = min(max(eighths - level * _FULL, 0), _FULL)
    return (_PLAIN if plain else _BLOCKS)[filled] * _WIDTH
