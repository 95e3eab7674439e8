"""Check the settings of a VictoriaMetrics by its flags: retention, deduplication, page size."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ..databases.vm_flags import DAY, MONTH, seconds
from ..databases.vm_flags import retention as retention_of
from ..discovery.survey import LocationSurvey
from ..formatting import length, local_date
from .findings import Finding, losing, ok, warning
from .stored_series import DEDUP

MAX_SCRAPE_SIZE = 16 * 1024 * 1024
"""The default of -promscrape.maxScrapeSize in bytes: docs/samples.md, "Page size"."""

_UTC = ZoneInfo("UTC")
_SHORT = 60 * DAY
_LONG = 3650 * DAY  # what is advised
_USUAL = 900
_YOUNG = 40 * DAY  # little more than the exporter serves without a backfill
_NEAR = 0.8
_BYTES: Mapping[str, int] = {"": 1, "B": 1} | {
    f"{prefix}{unit}": base**power
    for power, prefix in enumerate("KMGT", 1)
    for unit, base in (("B", 1000), ("iB", 1024))
}
_RETENTION = "start VictoriaMetrics with -retentionPeriod=10y, then run smarthub-exporter backfill --start first"
_RETENTION_UNKNOWN = _RETENTION.replace(" with", " (in a cluster: vmstorage) with", 1)
_RAISE = "raise -promscrape.maxScrapeSize on the scraper (VictoriaMetrics or vmagent), or shorten window"


@dataclass(frozen=True, slots=True)
class Needs:
    """What the locations need of a database.

    shortest: the resolution of the meter that is read most often, in seconds. first: the start of the day on which the
    first location was connected, in seconds UTC. None if unknown.
    """

    shortest: int | None = None
    first: int | None = None

    @classmethod
    def of(cls, surveys: Iterable[LocationSurvey]) -> "Needs":
        """Return the needs of these locations."""
        known = tuple(surveys)
        steps = (meter.info.step for survey in known for meter in survey.meters if meter.info.step)
        connected = (survey.connected for survey in known if survey.connected is not None)
        return cls(min(steps, default=None), min(connected, default=None))


NO_NEEDS = Needs()


def retention(
    flags: Mapping[str, str] | None,
    oldest: float | None,
    now: float,
    step: str,
    *,
    is_asked: bool = True,
    first: float | None = None,
) -> Finding | None:
    """Check how far back samples are kept; older ones are silently dropped: docs/samples.md, "Retention".

    flags: None if they are not known; then only the oldest sample can show the retention, and None is returned if there
    is nothing to say. oldest: the time of the oldest sample. now: seconds UTC, as is `oldest`. is_asked: whether every
    location was asked for, so that nothing is stored if there is no oldest sample. first: since when the portal may
    have data, in seconds UTC; None if unknown.
    """
    history = "nothing stored yet" if is_asked else ""
    advice = ""
    if oldest is not None:
        history = f"history starts {local_date(oldest, _UTC)} UTC"
        advice = "" if now - oldest > _YOUNG else "for earlier days, run smarthub-exporter backfill --start first"
    if flags is None:
        if oldest is not None and abs(now - oldest - MONTH) <= DAY:
            return warning(step, f"{history}, a month ago; -retentionPeriod may not be set", _RETENTION_UNKNOWN)
        return None if oldest is None else ok(step, history, advice)
    said = f"; {history}" if history else ""
    return _kept(flags, step, now, first) or ok(step, f"-retentionPeriod={_period(flags)}{said}", advice)


def _kept(flags: Mapping[str, str], step: str, now: float, first: float | None) -> Finding | None:
    """Warn about a retention that is too short; None if it is not."""
    value = flags.get("retentionPeriod")
    if value is None:
        text = "-retentionPeriod is not set; VictoriaMetrics keeps one month and silently drops older samples"
        return losing(step, text, _RETENTION)
    period = retention_of(flags)
    if period is None:
        return None
    dropped = f"-retentionPeriod={value}; samples older than {period / DAY:,.0f} days are silently dropped"
    if period < _SHORT:
        return losing(step, dropped, _RETENTION)
    if first is not None and period < min(now - first, _LONG):
        text = f"{dropped}, and the portal may have data since {local_date(first, _UTC)}"
        return losing(step, text, _RETENTION)
    return None


def _period(flags: Mapping[str, str]) -> str:
    """Return the retention as it is set, in days too if that is less than the advised one."""
    value, period = flags["retentionPeriod"], retention_of(flags)
    return value if period is None or period >= _LONG else f"{value} keeps samples for {period / DAY:,.0f} days"


def deduplication(flags: Mapping[str, str] | None, step: str, shortest: int | None = None) -> Finding | None:
    """Check that copies and older versions of a value are hidden, and no intervals; None if the flags are not known.

    shortest: the shortest interval of a meter in seconds, 15 minutes if it is unknown.
    """
    if flags is None:
        return None
    value = flags.get("dedup.minScrapeInterval", "0s")
    period = seconds(value)
    interval = shortest or _USUAL
    if period is not None and period > interval:
        text = f"-dedup.minScrapeInterval={value} is longer than an interval ({length(interval)})"
        return losing(step, f"{text}; in each {value}, only the last interval is kept", DEDUP)
    if period is None or period >= 1:
        return ok(step, f"-dedup.minScrapeInterval={value}")
    if period:
        text = f"-dedup.minScrapeInterval={value} is too short; old versions of corrected values stay visible"
        return warning(step, text, DEDUP)
    text = "-dedup.minScrapeInterval is not set; every scrape stores another copy of its samples"
    return warning(step, text, DEDUP)


def page_size(size: int, flags: Mapping[str, str] | None, step: str) -> Finding:
    """Check that a scraper accepts the interval page.

    size: of the page as text, in bytes. 1.79 compares the compressed size, newer versions this one. flags: of a
    VictoriaMetrics, which may be the scraper; those of a vmagent are not known.
    """
    value = (flags or {}).get("promscrape.maxScrapeSize")
    known = parse_size(value) if value else None
    limit = known or MAX_SCRAPE_SIZE
    which = f"-promscrape.maxScrapeSize={value}" if known else "default of -promscrape.maxScrapeSize"
    text = f"interval page: {size_text(size)} (scraper limit {size_text(limit)}, {which})"
    return warning(step, text, _RAISE) if is_near(size, limit) else ok(step, text)


def is_near(size: float, limit: float) -> bool:
    """Whether a page comes close to a limit, so that another meter may exceed it."""
    return size > _NEAR * limit


def parse_size(text: str) -> int | None:
    """Parse a size such as 16MiB or 1GiB512MiB in bytes; return None if it is not valid."""
    parts = re.findall(r"([0-9]*\.?[0-9]+)([KMGT]i?B|B|)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return round(sum(float(number) * _BYTES[unit] for number, unit in parts))


def size_text(size: float) -> str:
    """Return a size in words."""
    return f"{size / 2**20:.1f} MiB".replace(".0 ", " ") if size >= 2**20 else f"{size / 2**10:.0f} KiB"
