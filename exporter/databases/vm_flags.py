"""Read the flags of VictoriaMetrics, as its /flags page lists them, and those of Prometheus."""

import json
import re
from collections.abc import Mapping

from ..httpcall import ClientResponse

DAY = 86400
MONTH = 31 * DAY
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY, "M": MONTH, "y": 365 * DAY}
_FLAG = re.compile(r"--?([\w.]+)=(.*)")
_OK = 200


def parsed_flags(answer: ClientResponse) -> Mapping[str, str] | None:
    """Return the flags of a /flags page by name without the dash.

    None if it is something else, or the page of a vmauth in front of it.
    """
    lines = answer.body.decode(errors="replace").splitlines()
    found = [match for line in lines if (match := _FLAG.fullmatch(line))]
    if answer.status != _OK or not found or len(found) < len(lines):
        return None
    flags = {match[1]: _unquoted(match[2]) for match in found}
    return None if "auth.config" in flags else flags


def prometheus_flags(answer: ClientResponse) -> Mapping[str, str] | None:
    """Return the flags of a Prometheus from its /api/v1/status/flags; None if it is something else."""
    if answer.status != _OK:
        return None
    try:
        return dict(json.loads(answer.body)["data"])
    except (ValueError, TypeError, LookupError):
        return None


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(value))
    except ValueError:
        return value.strip('"')


def seconds(text: str) -> float | None:
    """Parse a duration such as 1s, 1m30s or 100y; return None if it is invalid."""
    parts = re.findall(r"([0-9]*\.?[0-9]+)(ms|[smhdwMy])", text)
    if "".join(number + unit for number, unit in parts) != text:
        return 0 if text == "0" else None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def retention(flags: Mapping[str, str] | None) -> float | None:
    """Return the retention in seconds, None if unknown. The default is a month.

    See docs/samples.md, "Retention".
    """
    if flags is None:
        return None
    value = flags.get("retentionPeriod", "1")
    return MONTH * float(value) if re.fullmatch(r"[0-9.]*[0-9]", value) else seconds(value)


def retention_notes(period: float | None, oldest: float, now: float) -> list[str]:
    """Warn if samples as old as `oldest` would be dropped."""
    if period is None or oldest >= now - period:
        return []
    text = f"retention is {period / DAY:.0f} days (-retentionPeriod); older samples are silently dropped"
    return [f"{text}: start it with -retentionPeriod=10y first"]
