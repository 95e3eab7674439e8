"""The steps of `check` that concern the databases of the configuration."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..config import Config, InfluxDBConfig, VictoriaMetricsConfig
from ..databases.influxdb import InfluxDB
from ..databases.victoriametrics import VictoriaMetrics
from ..discovery.survey import LocationSurvey
from ..errors import DatabaseError
from ..intervals.model import Location, Meter, Snapshot
from ..metrics.exposition import Format, render
from ..portal.walltime import DAY, WallClock
from .comparison import PortalValues, stored_findings
from .findings import CheckItem, Heading, failed, ok
from .login import LoginCheck

_INFLUXDB = "influxdb"


def database_findings(config: Config, checks: Sequence[LoginCheck], *, now: float) -> Iterator[CheckItem]:
    """Whether each database answers, and whether what it holds is what the portal gave."""
    if config.victoriametrics is not None:
        yield from _victoriametrics(config.victoriametrics, checks, config.exporter.window, now)
    if config.influxdb is not None:
        yield from _influxdb(config.influxdb)


def _victoriametrics(
    config: VictoriaMetricsConfig, checks: Sequence[LoginCheck], window: int, now: float
) -> Iterator[CheckItem]:
    seen = [(check, survey) for check in checks for survey in check.surveys if survey.newest is not None]
    settled = [
        _settled(check, survey, WallClock(check.zone), int(now)) for check, survey in seen if check.zone is not None
    ]
    has_others = any(
        not check.surveys or any(survey.newest is None and survey.error is not None for survey in check.surveys)
        for check in checks
    )
    with VictoriaMetrics(config) as database:
        yield Heading(f"VictoriaMetrics {database.writing.target.address}")
        page_bytes = int(sum(_page_bytes(check, survey) * window for check, survey in seen)) or None
        yield from stored_findings(database, settled, now, page_bytes=page_bytes, has_others=has_others)


def _settled(check: LoginCheck, survey: LocationSurvey, wall: WallClock, now: int) -> PortalValues:
    """What has been at the portal for long enough to be stored: all but the newest day that each meter has data of.

    Meters of one location are not posted together: the newest day of one may be older, and as new to the exporter.
    """
    last = wall.day((survey.newest or 0) - 1).start
    since = wall.days_before(last, survey.days)
    settled = [
        _until(meter, wall.day(meter.latest.end - 1).start) if meter.latest else meter for meter in survey.meters
    ]
    midnights = wall.midnights(since, wall.day(now).end)
    return PortalValues.of(survey.location.key(check.login.portal.label), settled, since, last, midnights)


def _until(meter: Meter, end: int) -> Meter:
    intervals, days = (tuple(each for each in part if each.end <= end) for part in (meter.intervals, meter.days))
    return replace(meter, intervals=intervals, days=days)


def _page_bytes(check: LoginCheck, survey: LocationSurvey) -> float:
    """How much of the page of the intervals a location takes for each second of the window, by what was seen of it."""
    key = survey.location.key(check.login.portal.label)
    page = render(Snapshot({key: Location(key, meters=survey.meters)}), 0, Format.TEXT)
    return len(page.whole.body) / (survey.days * DAY)


def _influxdb(config: InfluxDBConfig) -> Iterator[CheckItem]:
    with InfluxDB(config) as database:
        yield Heading(f"InfluxDB {database.api.target.address}")
        try:
            state = database.check()
        except DatabaseError as error:
            yield failed(_INFLUXDB, str(error))
            return
    product = f"{state.product} {state.version}".strip()
    if state.exists is False:
        advice = f'create it: CREATE DATABASE "{config.database}", or a bucket of that name in InfluxDB 2'
        yield failed(_INFLUXDB, f"{product} answers and has no database {config.database}", advice)
        return
    known = f" and has the database {config.database}" if state.exists else ""
    yield ok(_INFLUXDB, f"{product} answers{known}")
