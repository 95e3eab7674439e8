"""The steps of `check` for the databases in the configuration."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..config import Config, InfluxDBConfig, VictoriaMetricsConfig
from ..databases.influxdb import InfluxDB
from ..databases.victoriametrics import VictoriaMetrics
from ..discovery.look_around import LookAround
from ..discovery.survey import LocationSurvey
from ..errors import DatabaseError
from ..intervals.model import Meter
from ..portal.walltime import WallClock
from .comparison import PortalValues, stored_findings
from .findings import CheckItem, Heading, failed, ok, skipped
from .page_sizes import PageSizes
from .vm_settings import Needs

_INFLUXDB = "influxdb"


def database_findings(
    config: Config, looks: Sequence[LookAround], *, now: float, pages: PageSizes | None = None
) -> Iterator[CheckItem]:
    """Check that each database answers, and that it holds the portal's data.

    now: seconds UTC. pages: the sizes of the interval pages, if the database may be what scrapes them.
    """
    if config.victoriametrics is not None:
        yield from _victoriametrics(config.victoriametrics, looks, pages, now)
    if config.influxdb is not None:
        yield from _influxdb(config.influxdb)


def _victoriametrics(
    config: VictoriaMetricsConfig, looks: Sequence[LookAround], pages: PageSizes | None, now: float
) -> Iterator[CheckItem]:
    seen = [(look, survey) for look in looks for survey in look.surveys.values() if survey.newest is not None]
    settled = [_settled(look, survey, WallClock(look.zone), int(now)) for look, survey in seen if look.zone is not None]
    has_others = any(
        not look.found
        or (look.read and (not look.surveys or look.zone is None))
        or any(each.error and not each.newest for each in look.surveys.values())
        for look in looks
    )
    with VictoriaMetrics(config) as database:
        yield Heading(f"VictoriaMetrics {database.writing.target.address}")
        page_bytes = round(pages.total().size) or None if pages else None
        needs = Needs.of(survey for look in looks for survey in look.surveys.values())
        yield from stored_findings(database, settled, now, page_bytes=page_bytes, has_others=has_others, needs=needs)


def _settled(look: LookAround, survey: LocationSurvey, wall: WallClock, now: int) -> PortalValues:
    """Return the values that should be stored by now: all except each meter's newest day.

    The newest days of two meters may differ, since their data is not posted together.
    """
    last = wall.day((survey.newest or 0) - 1).start
    since = wall.days_before(last, survey.days)
    settled = [
        _until(meter, wall.day(meter.latest.end - 1).start) if meter.latest else meter for meter in survey.meters
    ]
    midnights = wall.midnights(since, wall.day(now).end)
    return PortalValues.of(survey.location.key(look.login.portal.label), settled, since, last, midnights)


def _until(meter: Meter, end: int) -> Meter:
    intervals, days = (part.select([each <= end for each in part.ends()]) for part in (meter.intervals, meter.days))
    return replace(meter, intervals=intervals, days=days)


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
        advice = f'create it with CREATE DATABASE "{config.database}" (InfluxDB 2: create a bucket with that name)'
        yield failed(_INFLUXDB, f"{product} answers, but has no database {config.database}", advice)
        return
    known = f" and has database {config.database}" if state.exists else ""
    yield ok(_INFLUXDB, f"{product} answers{known}")
    yield skipped(_INFLUXDB, "stored values are not compared with the portal's")
