"""History by the real command from the simulated portal into a real VictoriaMetrics: all of it is there and true."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.clock import SystemClock
from exporter.metrics.families import TIMESTAMPED
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Revision, Settings
from exporter.simulator.specs import Channels, UserSpec
from exporter.simulator.world import World

from ..support.backfill_process import ZONE, Backfiller, InstantPortal, days_ago, midnight
from ..support.exporter_process import Exporter, house, meter
from ..support.services import (
    INTERVALS_JOB,
    Labels,
    Sample,
    Services,
    VictoriaMetrics,
    VmAgent,
    job,
    scrape_config,
    wait_until,
)
from ..support.truth import Expected, by_end, differences, expected, local_days, wrong_versions

SOLAR, HOURLY = meter(2, Channels.THREE, periods=True), meter(3, step=3600)
SOLAR_HOUSE = World(zone=ZONE.key, users=(UserSpec(),), locations=(house(2, SOLAR),))
HOURLY_HOUSE = World(zone=ZONE.key, users=(UserSpec(),), locations=(house(3, HOURLY),))
FAMILIES = {each.family.name for each in TIMESTAMPED}
ALL = f'{{__name__=~"{"|".join(sorted(FAMILIES))}"}}'
DAY = 86400
WINDOW_DAYS = 7
NEW = Settings(pending=0)


def served(services: Services, world: World, settings: Settings = NEW) -> PortalServer:
    return services.enter_context(PortalServer(InstantPortal(world, settings)))


def backfiller(folder: Path, server: PortalServer, database_url: str, **more: object) -> Backfiller:
    return Backfiller(folder, server.url, {"url": database_url, **more})


def truth(server: PortalServer, first: int, after: int) -> Expected:
    """Every sample of the local days from the instant `first` to `after`."""
    return expected(server.portal, server.host, first, after)


# -- Five years


def test_five_years_of_a_solar_meter_are_stored_to_the_last_sample_and_sent_only_once(
    services: Services, tmp_path: Path
) -> None:
    database, server = services.victoria_metrics(), served(services, SOLAR_HOUSE)
    start, end = days_ago(5 * 365 + 1), days_ago(1)
    first, after = midnight(start), midnight(days_ago(0))
    command = backfiller(tmp_path, server, database.url)
    days = ("--start", str(start), "--end", str(end))

    began = time.time()
    done = command.run(*days, within=250)
    ended = time.time()

    stored = database.export(ALL)
    wanted = truth(server, first, after)
    assert done.code == 0, done.errors
    assert {dict(labels)["__name__"] for labels in wanted} == FAMILIES
    assert sum(len(values) for values in wanted.values()) > 880_000
    assert differences(by_end(stored), wanted) == []
    assert wrong_versions(stored, (began, ended), {}) == []
    assert done.figure("samples") == f"{sum(len(samples) for samples in stored.values()):,} sent"
    check_clock_changes(stored, first, after)

    rows = database.metrics()["vm_rows_inserted_total"]
    again = command.run(*days, within=250)

    assert (again.code, again.figure("samples")) == (0, "0 sent")
    assert database.metrics()["vm_rows_inserted_total"] == rows
    assert database.export(ALL) == stored


def check_clock_changes(stored: Mapping[Labels, Sequence[Sample]], first: int, after: int) -> None:
    """Both days of each year on which clocks change are there with all their quarters of an hour."""
    changes = [(start, end) for start, end in local_days(ZONE, first, after) if end - start != DAY]
    assert sorted(end - start for start, end in changes) == 5 * [23 * 3600] + 5 * [25 * 3600]
    for name in ("usage_kwh", "usage_watts", "export_kwh", "cost_usd"):
        (ends,) = (
            values
            for labels, values in by_end(stored).items()
            if dict(labels)["__name__"] == f"smarthub_interval_{name}"
        )
        for start, end in changes:
            assert [each for each in range(start + 900, end + 1, 900) if each not in ends] == []


# -- Retention


def test_a_database_that_keeps_a_month_is_told_what_to_do_and_the_same_command_completes(
    services: Services, tmp_path: Path
) -> None:
    database, server = services.victoria_metrics(without=["-retentionPeriod"]), served(services, HOURLY_HOUSE)
    command = backfiller(tmp_path, server, database.url)
    first, border, after = midnight(days_ago(100)), midnight(days_ago(40)), midnight(days_ago(0))
    older = ("--start", str(days_ago(100)), "--end", str(days_ago(41)))
    whole = ("--start", str(days_ago(100)), "--end", str(days_ago(1)))
    note = (
        "  Note: it keeps only 31 days (-retentionPeriod) and drops what is older without a word: start it with"
        " -retentionPeriod=10y first"
    )

    nothing = command.run(*older)

    chunk = truth(server, midnight(days_ago(70)), border)
    total = sum(len(values) for values in chunk.values())
    oldest = utc(midnight(days_ago(70)) + 3599)
    advice = (
        f"victoriametrics {database.url}: took {total} samples and did not keep {total} of them, from {oldest} UTC on:"
        " it drops what is older than its retention; start it with -retentionPeriod=10y and run the same command again"
    )
    assert (nothing.code, nothing.errors.strip()) == (1, advice)
    assert note in nothing.output.splitlines()
    assert f"0 of 2 chunks are done: victoriametrics {database.url}" in nothing.output.splitlines()
    assert database.export() == {}

    partly = command.run(*whole)

    newest = truth(server, midnight(days_ago(10)), after)
    oldest = utc(midnight(days_ago(40)) + 3599)
    *lines, how_to_go_on = partly.errors.strip().splitlines()
    assert partly.code == 3
    assert f"1 of 4 chunks is done: victoriametrics {database.url}" in partly.output.splitlines()
    assert f"of them, from {oldest} UTC on: it drops what is older than its retention; start it with" in lines[-1]
    assert how_to_go_on.startswith("The same command goes on where it stopped: smarthub-exporter backfill ")
    stored = by_end(database.export(ALL))
    assert differences(stored, newest, truth(server, midnight(days_ago(40)), after)) == []

    database.restart("-retentionPeriod=100y")
    polled = polls(server)
    completed = command.run(*whole)

    assert completed.code == 0
    assert note not in completed.output.splitlines()
    assert "An earlier run did 1 chunk of it, which is not done again (but with --restart)." in completed.output
    assert polls(server) - polled == 3
    assert differences(by_end(database.export(ALL)), truth(server, first, after)) == []


def utc(instant: int) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d %H:%M}"


def polls(server: PortalServer) -> int:
    return server.portal.calls["poll", 200]


# -- Together with a scraper


@pytest.fixture
def streets(services: Services, tmp_path: Path) -> list["Street"]:
    """One whose exporter shares the state of the backfill, and one whose does not."""
    return [Street(services, tmp_path / name, shares=shares) for name, shares in (("same", True), ("other", False))]


class Street:
    """A solar house and an hourly one, a database, and what fills it."""

    def __init__(self, services: Services, folder: Path, *, shares: bool) -> None:
        self.services = services
        self.folder = folder
        self.shares = shares
        self.began = time.time()
        world = World(zone=ZONE.key, users=(UserSpec(),), locations=(house(2, SOLAR), house(3, HOURLY)))
        self.server = services.enter_context(PortalServer(SimulatedPortal(world, SystemClock(), NEW)))
        self.database = services.victoria_metrics()
        self.backfiller = backfiller(folder / "backfill", self.server, self.database.url)
        self.first = midnight(days_ago(30))
        self.days = ("--start", str(days_ago(30)))

    def exporter(self, *, refresh_interval: str = "1s") -> Exporter:
        """An exporter that has read the portal once."""
        state = self.backfiller.state if self.shares else self.folder / "exporter" / "state"
        exporter = Exporter(
            self.services,
            self.folder / "exporter",
            self.server,
            window=f"{WINDOW_DAYS}d",
            refresh_interval=refresh_interval,
            state_dir=str(state),
        )
        exporter.wait_for_data()
        return exporter

    def scraper(self, exporter: Exporter, **of_job: object) -> VmAgent:
        """A vmagent that has scraped it several times."""
        config = scrape_config([job({**INTERVALS_JOB, **of_job}, exporter.address)])
        agent = self.services.vmagent(config, self.database)
        self.scrape(agent)
        return agent

    def scrape(self, agent: VmAgent) -> None:
        """Some scrapes of what is served by now, until they are stored."""
        before = agent.metrics()["vm_promscrape_scrapes_total"]
        wait_until(lambda: agent.metrics()["vm_promscrape_scrapes_total"] >= before + 3, "some scrapes")
        agent.wait_until_sent()

    def check(self, **labels: str) -> None:
        """One series a meter and family, one sample an interval, the portal's present value, exact sums by day."""
        wanted, allowed = (truth(self.server, self.first, int(moment)) for moment in (self.began, time.time()))
        wanted, allowed = (
            {tuple(sorted({**dict(key), **labels}.items())): values for key, values in each.items()}
            for each in (wanted, allowed)
        )
        stored = self.database.export(ALL)
        assert stored.keys() == allowed.keys()
        assert differences(by_end(stored), wanted, allowed) == []
        for samples in stored.values():
            seconds = [stamp // 1000 for stamp, _ in samples]
            assert len(seconds) == len(set(seconds))
        days = [(start, end) for start, end in local_days(ZONE, self.first, self.began) if end <= self.began]
        assert len(days) >= 30
        for start, end in days:
            for name in ("usage_kwh", "export_kwh", "cost_usd"):
                sums = self.database.query(f"sum_over_time(smarthub_interval_{name}[{end - start}s])", end, nocache="1")
                days_own = {
                    key: values[end] for key, values in wanted.items() if ("__name__", f"smarthub_day_{name}") in key
                }
                assert {round(value, 6) for value in sums.values()} == set(days_own.values())
                assert len(sums) == len(days_own)

    def check_copies(self) -> None:
        """What was written more than once has the same timestamps."""
        stored = self.database.export(ALL)
        self.database.terminate()
        # Not by reduce_mem_usage=1, with which 1.79.5 mixes up the blocks of a series now and then.
        with VictoriaMetrics(self.database.folder, without=["-dedup.minScrapeInterval"]) as database:
            everything = database.export(ALL)
        assert {labels: sorted(set(samples)) for labels, samples in everything.items()} == stored
        assert sum(map(len, everything.values())) > sum(map(len, stored.values()))

    def revise(self, *revisions: tuple[int, float]) -> None:
        """From now on the portal has other energy in the quarters that begin at these instants."""
        now = time.time()
        more = tuple(Revision(SOLAR.number, start, now, factor) for start, factor in revisions)
        settings = self.server.portal.settings
        self.server.portal.settings = replace(settings, revisions=(*settings.revisions, *more))


def backfilled(*streets: Street) -> list[list[str]]:
    """A month of each by the command, all at once, for each has to wait; gives the lines of their summaries."""
    with ExitStack() as stack:
        running = [stack.enter_context(street.backfiller.start(*street.days)) for street in streets]
        done = [each.wait() for each in running]
    assert [each.code for each in done] == [0] * len(streets), [each.errors for each in done]
    return [each.output.splitlines() for each in done]


def test_a_scraped_week_and_a_backfilled_month_are_one_history(streets: list[Street]) -> None:
    backfilled(*streets)
    for street in streets:
        street.scraper(street.exporter())

        street.check()

    streets[0].check_copies()


def test_corrections_win_by_another_backfill_whatever_a_scraper_goes_on_serving(streets: list[Street]) -> None:
    agents = [street.scraper(street.exporter(refresh_interval="1h")) for street in streets]
    backfilled(*streets)
    old, recent = midnight(days_ago(25)) + 19 * 3600, midnight(days_ago(3)) + 18 * 3600
    first = ((old, 1.5), (old + 900, 0.5), (recent, 1.5), (recent + 900, 0.25))

    for corrections in (first, ((old, 0.1), (recent, 0.1))):
        for street in streets:
            street.revise(*corrections)
        for summary in backfilled(*streets):
            text = f"  corrected   {len(corrections)} intervals of which another value was stored"
            assert text in summary
        for street, agent in zip(streets, agents, strict=True):
            street.scrape(agent)
            street.check()


def test_a_correction_older_than_the_window_is_asked_for_and_brought_by_a_backfill_beside_the_exporter(
    streets: list[Street],
) -> None:
    street = streets[0]
    exporter = street.exporter()
    agent = street.scraper(exporter)
    backfilled(street)
    old = midnight(days_ago(20)) + 19 * 3600
    location = f'account="55001",location="70002",portal="{street.server.host}"'
    gauge = f"smarthub_backfill_needed_since_timestamp_seconds{{{location}}} "

    exporter.process.terminate()
    street.revise((old, 0.5), (old + 900, 2.0))
    exporter.process.start()
    exporter.wait_for(lambda page: gauge in page, "a backfill to be asked for")
    needed = next(line for line in exporter.page().splitlines() if line.startswith(gauge))
    assert float(needed.removeprefix(gauge)) == midnight(days_ago(20))

    (summary,) = backfilled(street)

    assert "  corrected   2 intervals of which another value was stored" in summary
    exporter.wait_for_refreshes()
    assert gauge not in exporter.page()
    street.scrape(agent)
    street.check()
    assert "level=error" not in exporter.process.log


def test_labels_of_the_scrape_can_be_given_to_the_backfill(streets: list[Street]) -> None:
    street = streets[1]
    exporter = street.exporter()
    street.scraper(exporter, metric_relabel_configs=[])
    labels = {"job": "smarthub_intervals", "instance": exporter.address}
    street.backfiller.configure({"url": street.database.url, "extra_labels": labels})

    backfilled(street)

    street.check(**labels)


# -- Ways to the database


@pytest.fixture
def portal(services: Services) -> PortalServer:
    return served(services, HOURLY_HOUSE)


def a_month() -> tuple[tuple[str, ...], int, int]:
    """The flags for some 30 whole days, and where they begin and end."""
    days = ("--start", str(days_ago(32)), "--end", str(days_ago(3)))
    return days, midnight(days_ago(32)), midnight(days_ago(2))


def test_a_database_that_comes_up_later_is_waited_for(services: Services, tmp_path: Path, portal: PortalServer) -> None:
    database = services.victoria_metrics()
    database.terminate()
    days, first, after = a_month()

    with backfiller(tmp_path, portal, database.url).start(*days) as running:
        refused = f"victoriametrics {database.url}: connection refused; start it, or correct url; trying again in "
        wait_until(lambda: running.errors.count(refused) == 2, "two tries", within=40)
        assert not running.has_ended
        database.start()
        done = running.wait()

    assert (done.code, done.errors.splitlines()[:2]) == (0, [f"{refused}2 s", f"{refused}10 s"])
    assert differences(by_end(database.export(ALL)), truth(portal, first, after)) == []


def test_credentials_are_given_to_the_database_and_wrong_ones_named(
    services: Services, tmp_path: Path, portal: PortalServer
) -> None:
    database = services.victoria_metrics(extra_args=["-httpAuth.username=meter", "-httpAuth.password=reader"])
    days, first, after = a_month()
    command = backfiller(tmp_path, portal, database.url)

    none = command.run(*days)
    command.configure({"url": database.url, "username": "meter", "password": "wrong"})
    wrong = command.run(*days)

    name = f"smarthub-exporter: victoriametrics {database.url}"
    assert (none.code, none.errors.strip()) == (
        1,
        f"{name}: wants credentials (status 401); set username and password, or bearer_token",
    )
    assert (wrong.code, wrong.errors.strip()) == (
        1,
        f"{name}: refused the credentials (status 401); check username and password, or bearer_token",
    )
    assert polls(portal) == 0

    command.configure({"url": database.url, "username": "meter", "password": "reader"})
    assert command.run(*days).code == 0
    database.terminate()
    # Without credentials, for this test to look in.
    with VictoriaMetrics(database.folder) as open_to_all:
        assert differences(by_end(open_to_all.export(ALL)), truth(portal, first, after)) == []


def test_a_cluster_takes_at_one_address_and_gives_at_another(
    services: Services, tmp_path: Path, portal: PortalServer
) -> None:
    database = services.victoria_metrics()
    writing = services.vmauth(database, "/insert/0/prometheus", "/api/v1/import")
    reading = services.vmauth(database, "/select/0/prometheus", "/api/v1/query", "/api/v1/export")
    days, first, after = a_month()
    command = backfiller(
        tmp_path, portal, writing.url, query_url=reading.url, username=writing.username, password=writing.password
    )

    done = command.run(*days)

    assert (done.code, done.errors.count("samples sent")) == (0, 1)
    assert "Note" not in done.output
    assert differences(by_end(database.export(ALL)), truth(portal, first, after)) == []


def test_the_flags_of_a_proxy_are_not_taken_for_those_of_the_database(
    services: Services, tmp_path: Path, portal: PortalServer
) -> None:
    proxy = services.vmauth(services.victoria_metrics(), "", "/.*")
    credentials = {"username": proxy.username, "password": proxy.password}

    plan = backfiller(tmp_path, portal, proxy.url, **credentials).run("--days", "300", "--dry-run")

    assert plan.code == 0
    assert "Note" not in plan.output
