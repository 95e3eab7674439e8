"""The steps of `check` that concern the databases of the configuration."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from ..config import Config, InfluxDBConfig, VictoriaMetricsConfig
from ..databases.influxdb import InfluxDB
from ..databases.victoriametrics import VictoriaMetrics
from ..errors import DatabaseError
from ..metrics.page import Format, render
from ..portal.walltime import DAY, WallClock
from ..snapshot import Location, LocationKey, Snapshot
from ..survey import LocationSurvey
from .findings import Finding, Heading, Part, Verdict
from .login import LoginCheck
from .stored import Recent, stored_findings

_INFLUXDB = "influxdb"


def database_findings(config: Config, checks: Sequence[LoginCheck], *, now: float) -> Iterator[Part]:
    """Whether each database answers, and whether what it holds is what the portal gave."""
    if config.victoriametrics is not None:
        yield Heading(f"VictoriaMetrics {_place(config.victoriametrics.url)}")
        yield from _victoriametrics(config.victoriametrics, checks, config.exporter.window, now)
    if config.influxdb is not None:
        yield Heading(f"InfluxDB {_place(config.influxdb.host)}")
        yield _influxdb(config.influxdb)


def _place(url: str) -> str:
    """A database's address without its path, in which proxies may have a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _victoriametrics(
    config: VictoriaMetricsConfig, checks: Sequence[LoginCheck], window: int, now: float
) -> Iterator[Finding]:
    recent = [
        _settled(check, survey, WallClock(check.zone))
        for check in checks
        if check.zone is not None
        for survey in check.surveys
        if survey.newest is not None
    ]
    with VictoriaMetrics(config) as database:
        yield from stored_findings(database, recent, now, page_bytes=_page_bytes(checks, window))


def _settled(check: LoginCheck, survey: LocationSurvey, wall: WallClock) -> Recent:
    """What has been at the portal for long enough to be stored: all but the newest day that has data."""
    newest = survey.newest or 0
    until = wall.day(newest - 1).start
    since = wall.days_before(until, survey.days)
    return Recent.of(_key(check, survey), survey.meters, since, until)


def _key(check: LoginCheck, survey: LocationSurvey) -> LocationKey:
    return LocationKey(check.login.portal.label, survey.place.account, survey.place.number)


def _page_bytes(checks: Sequence[LoginCheck], window: int) -> int | None:
    """How large the page of the intervals is, reckoned from the days that were looked at; None where these are none."""
    pages = [
        (render(Snapshot({key: Location(key, meters=survey.meters)}), 0, Format.TEXT), survey.days)
        for check in checks
        for survey in check.surveys
        for key in (_key(check, survey),)
    ]
    return int(sum(len(page.whole.body) * window / (days * DAY) for page, days in pages)) or None


def _influxdb(config: InfluxDBConfig) -> Finding:
    try:
        with InfluxDB(config) as database:
            state = database.check()
    except DatabaseError as error:
        return Finding(Verdict.FAILED, _INFLUXDB, str(error))
    product = f"{state.product} {state.version}".strip()
    if state.exists is False:
        advice = f'create it: CREATE DATABASE "{config.database}", or a bucket of that name in InfluxDB 2'
        return Finding(Verdict.FAILED, _INFLUXDB, f"{product} answers and has no database {config.database}", advice)
    known = f" and has the database {config.database}" if state.exists else ""
    return Finding(Verdict.OK, _INFLUXDB, f"{product} answers{known}")
