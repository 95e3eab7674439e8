"""What a database keeps and takes, by the flags it was started with: retention, deduplication, size of a page."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from ..databases.vm_flags import DAY, MONTH, seconds
from ..databases.vm_flags import retention as retention_of
from .findings import Finding, ok, warning
from .stored_series import DEDUP

MAX_SCRAPE_SIZE = 16 * 1024 * 1024
"""The default of -promscrape.maxScrapeSize in bytes (tsdb-facts A6)."""

_SHORT = 60 * DAY
_YOUNG = 40 * DAY  # hardly longer than what the exporter itself serves
_NEAR = 0.8
_BYTES = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_RETENTION = (
    "start VictoriaMetrics with -retentionPeriod=10y (in a cluster: vmstorage), then run smarthub-exporter backfill"
)
_RAISE = "raise -promscrape.maxScrapeSize on the scraper (VictoriaMetrics or vmagent), or shorten window"


def retention(
    flags: Mapping[str, str] | None, oldest: float | None, now: float, step: str, *, is_asked: bool = True
) -> Finding | None:
    """How far back samples are kept; what is older is taken and dropped without a word (tsdb-facts C5).

    oldest: the time of the oldest sample, in seconds UTC. Without flags only it can tell. None: nothing to say.
    is_asked: whether all was asked for, so that without an oldest sample there is none.
    """
    history = _history(oldest, now)
    if flags is None:
        if oldest is not None and abs(now - oldest - MONTH) <= DAY:
            text = f"nothing is stored before {_day(oldest)}, a month ago: perhaps -retentionPeriod is not set"
            return warning(step, text, _RETENTION)
        return ok(step, *history) if history else None
    value = flags.get("retentionPeriod")
    if value is None:
        text = "-retentionPeriod is not set: VictoriaMetrics keeps one month and drops what is older without a word"
        return warning(step, text, _RETENTION)
    period = retention_of(flags)
    if period is not None and period < _SHORT:
        text = f"-retentionPeriod={value}: samples older than {period / DAY:.0f} days are dropped without a word"
        return warning(step, text, _RETENTION)
    text, advice = history or ("nothing is stored yet" if is_asked else "", "")
    return ok(step, "; ".join(filter(None, (f"-retentionPeriod={value}", text))), advice)


def _history(oldest: float | None, now: float) -> tuple[str, str] | None:
    if oldest is None:
        return None
    if now - oldest > _YOUNG:
        return f"history begins {_day(oldest)}", ""
    return f"history before {_day(oldest)} is not there", "smarthub-exporter backfill --start DATE brings it"


def deduplication(flags: Mapping[str, str] | None, step: str) -> Finding | None:
    """Whether copies and older versions of a value will be hidden; None where the flags do not tell."""
    if flags is None:
        return None
    value = flags.get("dedup.minScrapeInterval", "0s")
    period = seconds(value)
    if period is None or period >= 1:
        return ok(step, f"-dedup.minScrapeInterval={value}")
    if period:
        text = f"-dedup.minScrapeInterval={value} leaves older versions of a corrected value beside the new one"
    else:
        text = "-dedup.minScrapeInterval is not set: every scrape stores its samples once more"
    return warning(step, text, DEDUP)


def page_size(size: int, flags: Mapping[str, str] | None, step: str) -> Finding:
    """Whether a scraper takes the page of the intervals. size: of its text in bytes, not packed.

    1.79.5 counts it packed, newer ones unpacked and refuse one that just reaches the limit.
    flags: of a VictoriaMetrics that may scrape by itself; those of a vmagent are not known.
    """
    value = (flags or {}).get("promscrape.maxScrapeSize")
    known = _bytes(value) if value else None
    limit = known or MAX_SCRAPE_SIZE
    which = (
        f"-promscrape.maxScrapeSize={value}" if known else f"{_size(limit)}, the default of -promscrape.maxScrapeSize"
    )
    text = f"the page of the intervals has {_size(size)}"
    if size > _NEAR * limit:
        return warning(step, f"{text}, {'more than' if size >= limit else 'close to'} {which}", _RAISE)
    return ok(step, f"{text}, less than {which}")


def _bytes(text: str) -> int | None:
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)([KMG]i?B)?", text)
    return round(float(match[1]) * _BYTES[match[2] or ""]) if match else None


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d} UTC"
