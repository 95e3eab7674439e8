"""The settings of a Prometheus: how long it keeps samples, and how old new ones may be."""

from collections.abc import Mapping
from typing import Any

from ..config import format_duration
from ..databases.scraper import Settings
from ..databases.vm_flags import DAY, seconds
from .findings import Finding, losing, ok

_TIME, _SIZE = "storage.tsdb.retention.time", "storage.tsdb.retention.size"
_WINDOW = "out_of_order_time_window"
_DEFAULT_RETENTION = 15 * DAY
_SHORT = 60 * DAY
_LONGER = f"start Prometheus with --{_TIME}=10y before you load history"


def retention(flags: Mapping[str, str], config: Settings, step: str) -> Finding:
    """Check how long samples are kept: docs/samples.md, "Prometheus".

    Newer versions have it in the configuration, which overrides the flags.
    """
    given = section(section(section(config, "storage"), "tsdb"), "retention")
    value = given.get("time") or flags.get(_TIME) or "0s"
    size = given.get("size") or flags.get(_SIZE) or "0B"
    period = seconds(value)
    is_sized = size.rstrip("KMGTPEiB") not in ("", "0")
    if period == 0 and is_sized:
        return ok(step, f"{_SIZE} is {size}; the oldest samples are deleted when it is reached")
    if period == 0:
        days = _DEFAULT_RETENTION // DAY
        return losing(step, f"{_TIME} is not set; Prometheus deletes samples after {days} days", _LONGER)
    if period is not None and period < _SHORT:
        text = f"{_TIME} is {value}; Prometheus deletes samples after {period / DAY:.0f} days"
        return losing(step, text, _LONGER)
    return ok(step, f"{_TIME} is {value}" + (f", {_SIZE} is {size}" if is_sized else ""))


def late_samples(config: Settings, window: int, step: str) -> Finding:
    """Check how old a sample may be: docs/samples.md, "Prometheus".

    window: how far back the exporter serves intervals, in seconds.
    """
    value = section(section(config, "storage"), "tsdb").get(_WINDOW, "0s")
    accepted = seconds(value) or 0
    own = format_duration(window)
    advice = f"set storage.tsdb.{_WINDOW}: {format_duration(2 * window)}"
    if not accepted:
        return losing(step, f"{_WINDOW} is not set; Prometheus drops samples that are older than an hour", advice)
    if accepted < 2 * window:
        text = f"{_WINDOW} is {value}, less than twice the exporter's window ({own}); one older sample makes Prometheus"
        return losing(step, f"{text} drop the entire scrape", advice)
    return ok(step, f"{_WINDOW} is {value}, at least twice the exporter's window ({own})")


def section(parent: Settings, name: str) -> Mapping[str, Any]:
    """Return a section inside another one; empty if it is missing."""
    part = parent.get(name)
    return part if isinstance(part, dict) else {}
