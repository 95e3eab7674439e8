"""The steps of `check` for a scraper: whether its jobs fetch the exporter, and the lines that lose data."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ..config import Config, parse_listen_address
from ..databases.scraper import Scraper, ScraperSettings, ScrapeTarget, Settings
from ..errors import DatabaseError
from ..formatting import counted
from . import prometheus_settings
from .findings import CheckItem, Finding, Heading, failed, losing, ok, skipped, warning
from .page_sizes import PageSize, PageSizes
from .prometheus_settings import section
from .stored_series import ADDRESS, HONOR, LABELDROP, SCRAPED, STORED_STEP, delete_command
from .vm_settings import MAX_SCRAPE_SIZE, is_near, parse_size, size_text

STEP = "scraper"
INTERVALS, EXPORTER = "intervals", "exporter"
_JOBS = {INTERVALS: "smarthub_intervals", EXPORTER: "smarthub_exporter"}
_PATH = "/metrics"
_GUIDE = "see docs/scraping.md"
_SLOW = 0.8
_NO_STALE_MARKERS = (
    "set no_stale_markers: true in the job (1.83 and newer), or start the scraper with -promscrape.noStaleMarkers"
)
_STALENESS = "remove track_timestamps_staleness from the job: its stale markers keep older samples out"
_FLAG_OF_SIZE = "promscrape.maxScrapeSize"


@dataclass(frozen=True, slots=True)
class _Job:
    """A scrape job that fetches this exporter. halves: the parts of /metrics that it fetches, INTERVALS or EXPORTER."""

    name: str
    settings: Settings
    targets: Sequence[ScrapeTarget]
    halves: frozenset[str]
    logins: frozenset[str]


def scraper_findings(url: str, config: Config, pages: PageSizes) -> Iterator[CheckItem]:
    """Read the configuration and targets of the scraper at a URL, and name each line that loses data."""
    with Scraper(url, config.victoriametrics) as scraper:
        yield Heading(f"Scraper {scraper.address}")
        address = scraper.address
        try:
            found = scraper.settings()
        except DatabaseError as error:
            yield failed(STEP, str(error))
            return
    jobs = list(_jobs(found, parse_listen_address(config.exporter.listen_address)[1]))
    yield from _missing(jobs, is_prometheus=found.is_prometheus)
    if not found.is_prometheus and found.flags is None:
        yield skipped(STEP, "cannot read its flags, so it is unknown whether -promscrape.noStaleMarkers is set")
    by_time = [job for job in jobs if INTERVALS in job.halves]
    if found.is_prometheus and by_time:
        if not found.config.get("remote_write"):  # its samples may be kept elsewhere
            yield prometheus_settings.retention(found.flags or {}, found.config, STEP)
        yield prometheus_settings.late_samples(found.config, config.exporter.window, STEP)
    database = address if found.is_prometheus else _address(config)
    for job in jobs:
        problems = [*_wrong_lines(found, job, pages, database)] if job in by_time else []
        for finding in (*problems, *_target_findings(job)):
            text = f"job {job.name}: {finding.text}"
            yield replace(finding, text=text)
    if found.is_prometheus and by_time:
        yield skipped(STORED_STEP, "the data stored in Prometheus is not compared with the portal's")
    yield from _logins(by_time, [login.name for login in config.logins])


def _address(config: Config) -> str:
    """Return where the samples are stored, as far as it is known, without the path."""
    if config.victoriametrics is None:
        return ADDRESS
    parts = urlsplit(config.victoriametrics.query_url or config.victoriametrics.url)
    return f"{parts.scheme}://{parts.netloc}"


def _jobs(found: ScraperSettings, port: int) -> Iterator[_Job]:
    """Yield the jobs that fetch the exporter: by their parameters, their names or its port."""
    for name, settings in found.jobs.items():
        targets = [each for each in found.targets if each.job == name]
        given = section(settings, "params")
        collected, logins = (
            frozenset(given.get(key) or ()).union(*(each.parameter(key) for each in targets))
            for key in ("collect[]", "login")
        )
        is_own = not collected.isdisjoint(_JOBS) or name.startswith("smarthub")
        if is_own or any(each.place.partition("/")[0].endswith(f":{port}") for each in targets):
            yield _Job(name, settings, targets, frozenset(collected or _JOBS), logins)


def _missing(jobs: Sequence[_Job], *, is_prometheus: bool) -> Iterator[Finding]:
    halves = frozenset[str]().union(*(job.halves for job in jobs))
    if not halves:
        other = "" if is_prometheus else ", or give the address of the vmagent that scrapes (port 8429)"
        advice = f"add the jobs {' and '.join(_JOBS.values())}{other}; {_GUIDE}"
        yield failed(STEP, "no job fetches the exporter", advice)
        return
    if INTERVALS not in halves:
        advice = f"add the job {_JOBS[INTERVALS]}; {_GUIDE}"
        yield failed(STEP, "no job fetches the intervals (collect[]=intervals), so none are stored", advice)
    if EXPORTER not in halves:
        text = "no job fetches the exporter's own metrics (collect[]=exporter), so most alerts cannot fire"
        yield warning(STEP, text, f"add the job {_JOBS[EXPORTER]}; {_GUIDE}")
    for job in jobs:
        if len(job.halves) > 1:
            text = f"job {job.name} fetches the intervals together with the exporter's own metrics"
            advice = f"split it into two jobs, {' and '.join(_JOBS.values())}, with collect[] in params; {_GUIDE}"
            yield warning(STEP, text, advice)
    for half, name in _JOBS.items():
        names = [job.name for job in jobs if job.halves == {half}]
        if names and name not in names:
            text = f"no job is named {name}; the alerts and the SmartHub exporter dashboard look for that name"
            yield warning(STEP, text, f"rename {names[0]} to {name}")


def _wrong_lines(found: ScraperSettings, job: _Job, pages: PageSizes, database: str) -> Iterator[Finding]:
    """Name the lines of an interval job that lose data: docs/samples.md, from "Explicit timestamps" to "Page size"."""
    settings, overall = job.settings, section(found.config, "global")
    honors = settings.get("honor_timestamps", "true" if found.is_prometheus else "")
    if honors != "true":
        state = "is false;" if honors else "is missing; if this is VictoriaMetrics or vmagent 1.93 or newer,"
        text = f"honor_timestamps {state} intervals get the time of the scrape"
        yield losing(STEP, text, HONOR, command=delete_command(database))
    rules = [rule for part in (overall, settings) for rule in part.get("metric_relabel_configs") or ()]
    if kept := [label for label in ("job", "instance") if not _drops(rules, label)]:
        text = f"the labels {' and '.join(kept)} are kept; backfilled history does not have them"
        yield warning(STEP, text, LABELDROP, command=delete_command(database, *SCRAPED))
    if found.is_prometheus:
        if settings.get("track_timestamps_staleness") == "true":
            yield losing(STEP, "track_timestamps_staleness is true", _STALENESS)
    elif found.flags is not None:
        own = settings.get("no_stale_markers")
        if (own or found.flags.get("promscrape.noStaleMarkers", "false")) != "true":
            text = "no_stale_markers is missing; when the exporter is down, stale markers hide its last values"
            yield losing(STEP, text, _NO_STALE_MARKERS)
    if (page := pages.total(job.logins)).samples:
        yield from _limits(found, settings, overall, page)


def _limits(found: ScraperSettings, settings: Settings, overall: Settings, page: PageSize) -> Iterator[Finding]:
    """Compare the limits of a job with the interval page; 0 is no limit."""
    sized = "body_size_limit" if found.is_prometheus else "max_scrape_size"
    value = settings.get(sized) or overall.get(sized)
    if found.is_prometheus:
        where, limit = sized, parse_size(value or "0") or 0
    elif value:
        where, limit = sized, parse_size(value) or MAX_SCRAPE_SIZE
    else:
        where = f"-{_FLAG_OF_SIZE}"
        limit = parse_size((found.flags or {}).get(_FLAG_OF_SIZE, "")) or MAX_SCRAPE_SIZE
    split = f"raise {where}, shorten window, or split the job by login=; {_GUIDE}"
    if limit and is_near(page.size, limit):
        yield warning(STEP, f"{where} is {size_text(limit)}, and the page is {size_text(page.size)}", split)
    samples = settings.get("sample_limit") or overall.get("sample_limit") or "0"
    if samples.isdecimal() and int(samples) and is_near(page.samples, int(samples)):
        text = f"sample_limit is {int(samples):,}, and the page has {counted(round(page.samples), 'sample')}"
        yield warning(STEP, text, "raise sample_limit, shorten window, or split the job by login=")


def _drops(rules: Sequence[Settings], label: str) -> bool:
    """Return whether rules drop a label; one with an unknown syntax may."""
    return any(
        rule.get("action") in ("labeldrop", "labelkeep")
        and _fits(rule.get("regex", ".*"), label) is not (rule["action"] == "labelkeep")
        for rule in rules
    )


def _fits(regex: str | Sequence[str], label: str) -> bool:
    pattern = regex if isinstance(regex, str) else "|".join(regex)
    try:
        return re.fullmatch(pattern, label) is not None
    except re.error:
        return True


def _target_findings(job: _Job) -> Iterator[Finding]:
    if not job.targets:
        yield failed(STEP, "it has no target", 'add static_configs: [{targets: ["HOST:10058"]}]')
    for target in job.targets:
        path = "/" + target.place.partition("/")[2]
        sees_nothing = target.is_up is False or (target.is_up and target.samples == 0)
        if sees_nothing and path != _PATH:
            text = f"{target.place} is not the exporter's page"
            yield failed(STEP, text, f"set metrics_path: {_PATH}, or the value of --web.telemetry-path")
        elif target.is_up is None:
            yield skipped(STEP, f"{target.place} was not scraped yet", "run this check again after scrape_interval")
        elif not target.is_up:
            error = f": {target.error}" if target.error else ""
            advice = "if it cannot connect, check that serve is running and that the scraper's machine can reach it"
            yield failed(STEP, f"{target.place} is down{error}", advice)
        elif target.timeout and target.took > _SLOW * target.timeout:
            text = f"the last scrape of {target.place} took {target.took:.1f} s; scrape_timeout is {target.timeout:g} s"
            yield warning(STEP, text, "raise scrape_timeout of the job")
        else:
            yield ok(STEP, f"{target.place} is up")


def _logins(jobs: Sequence[_Job], names: Collection[str]) -> Iterator[Finding]:
    """Check that jobs split by login fetch each login of the configuration."""
    fetched = frozenset[str]().union(*(job.logins for job in jobs))
    if unknown := sorted(fetched.difference(names)):
        text = f"no login is named {', '.join(unknown)}; the exporter answers 400"
        yield warning(STEP, text, "fix login in params of the job")
    if all(job.logins for job in jobs) and jobs and (left := [name for name in names if name not in fetched]):
        yield warning(
            STEP, f"no job fetches the intervals of {', '.join(left)}", "add these to login in params of a job"
        )
