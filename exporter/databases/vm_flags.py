"""What the flags of a VictoriaMetrics say, as its /flags page lists them."""

import re
from collections.abc import Mapping

DAY = 86400
MONTH = 31 * DAY
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY, "M": MONTH, "y": 365 * DAY}


def seconds(text: str) -> float | None:
    """A duration such as 1s, 1m30s or 100y; None where it cannot be understood."""
    parts = re.findall(r"([0-9]*\.?[0-9]+)(ms|[smhdwMy])", text)
    if "".join(number + unit for number, unit in parts) != text:
        return 0 if text == "0" else None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def retention(flags: Mapping[str, str] | None) -> float | None:
    """For how many seconds samples are kept: a month where nobody said otherwise (tsdb-facts C5); None if unknown."""
    if flags is None:
        return None
    value = flags.get("retentionPeriod")
    if value is None:
        return MONTH
    return MONTH * float(value) if re.fullmatch(r"[0-9.]*[0-9]", value) else seconds(value)


def retention_notes(period: float | None, oldest: float, now: float) -> list[str]:
    """What a person should know before samples as old as `oldest` are written into it; nothing if they are kept."""
    if period is None or oldest >= now - period:
        return []
    text = f"it keeps only {period / DAY:.0f} days (-retentionPeriod) and drops what is older without a word"
    return [f"{text}: start it with -retentionPeriod=10y first"]
