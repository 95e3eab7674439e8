"""Backfills by the real command into a real VictoriaMetrics."""

import time
from pathlib import Path

import pytest

from exporter.clock import SystemClock
from exporter.errors import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY
from exporter.metrics.families import TIMESTAMPED
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Revision, Settings
from exporter.simulator.specs import Channels
from exporter.simulator.world import World

from ..support.backfill_process import Backfiller, InstantPortal, days_ago, figure, midnight
from ..support.deadlines import DEADLINE
from ..support.exporter_process import Exporter, house, meter
from ..support.portal import change
from ..support.services import (
    INTERVALS_JOB,
    Services,
    VmAgent,
    job,
    scrape_config,
    series,
    wait_until,
)
from ..support.truth import Expected, by_end, differences, expected, local_days, wrong_versions
from ..support.worlds import ZONE

SOLAR, HOURLY = meter(2, Channels.THREE, periods=True), meter(3, step=3600)
SOLAR_HOUSE = World(locations=(house(2, SOLAR),))
HOURLY_HOUSE = World(locations=(house(3, HOURLY),))
BOTH_HOUSES = World(locations=(house(2, SOLAR), house(3, HOURLY)))
FAMILIES = {each.family.name for each in TIMESTAMPED}
ALL = f'{{__name__=~"{"|".join(sorted(FAMILIES))}"}}'
WINDOW_DAYS = 7
NEW = Settings(pending=0)


def served(services: Services, world: World, settings: Settings = NEW) -> PortalServer:
    return services.enter_context(PortalServer(InstantPortal(world, settings)))


def truth(server: PortalServer, first: int, after: int) -> Expected:
    """Return all samples of the local days between two instants."""
    return expected(server.portal, server.host, first, after)


def between(first_day: int, last_day: int) -> tuple[str, ...]:
    """Return the flags for a range of days, given as days ago."""
    return "--start", str(days_ago(first_day)), "--end", str(days_ago(last_day))


# -- Five years


def test_five_years_are_stored_completely_and_sent_once(services: Services, tmp_path: Path) -> None:
    database, server = services.victoria_metrics(), served(services, SOLAR_HOUSE)
    first, after = midnight(5 * 365 + 1), midnight(0)
    command, days = Backfiller(tmp_path, server.url, database.url), between(5 * 365 + 1, 1)

    began = time.time()
    done = command.start(*days)
    assert done.wait(250) == EXIT_DONE, done.stderr
    ended = time.time()

    stored = database.export(ALL)
    wanted = truth(server, first, after)
    assert {dict(labels)["__name__"] for labels in wanted} == FAMILIES
    assert sum(len(values) for values in wanted.values()) > 880_000
    assert differences(by_end(stored), wanted) == []
    assert wrong_versions(stored, (began, ended), {}) == []
    assert figure(done, "samples") == f"{sum(len(samples) for samples in stored.values()):,} sent and verified"

    rows = database.metrics()["vm_rows_inserted_total"]
    again = command.start(*days)

    assert (again.wait(250), figure(again, "samples")) == (EXIT_DONE, "0 sent and verified")
    assert database.metrics()["vm_rows_inserted_total"] == rows
    assert database.export(ALL) == stored


# -- Retention


def test_a_database_with_short_retention_is_named(services: Services, tmp_path: Path) -> None:
    database, server = services.victoria_metrics(without=["-retentionPeriod"]), served(services, HOURLY_HOUSE)
    command = Backfiller(tmp_path, server.url, database.url)
    first, border, after = map(midnight, (100, 40, 0))
    advice, whole = "-retentionPeriod=10y", between(100, 1)

    nothing = command.run(*between(100, 41))

    total = sum(len(values) for values in truth(server, midnight(70), border).values())
    assert nothing.wait() == EXIT_FAILED
    assert str(total) in nothing.stderr.replace(",", "")
    assert advice in nothing.stdout
    assert database.export() == {}

    partly = command.run(*whole)

    newest = truth(server, midnight(10), after)
    assert partly.wait() == EXIT_PARTLY
    assert advice in partly.stderr
    assert differences(by_end(database.export(ALL)), newest, truth(server, border, after)) == []

    database.restart("-retentionPeriod=100y")
    polled = server.portal.calls["poll", 200]
    completed = command.run(*whole)

    assert completed.wait() == EXIT_DONE
    assert advice not in completed.stdout
    assert server.portal.calls["poll", 200] - polled == 3
    assert differences(by_end(database.export(ALL)), truth(server, first, after)) == []


# -- Together with a scraper


@pytest.fixture
def streets(services: Services, tmp_path: Path) -> list["Street"]:
    """Two streets: in the first, exporter and backfill share their state."""
    return [Street(services, tmp_path / name, shares=shares) for name, shares in (("same", True), ("other", False))]


class Street:
    """A solar house and an hourly one, a database, an exporter and backfills."""

    def __init__(self, services: Services, folder: Path, *, shares: bool) -> None:
        self.services = services
        self.folder = folder
        self.shares = shares
        self.began = time.time()
        self.server = services.enter_context(PortalServer(SimulatedPortal(BOTH_HOUSES, SystemClock(), NEW)))
        self.database = services.victoria_metrics()
        self.backfiller = Backfiller(folder / "backfill", self.server.url, self.database.url)
        self.first = midnight(30)
        self.days = ("--start", str(days_ago(30)))

    def exporter(self, *, refresh_interval: str = "1s") -> Exporter:
        """Return an exporter that has read the portal once."""
        state = self.backfiller.state if self.shares else self.folder / "exporter" / "state"
        return Exporter(
            self.services,
            self.folder / "exporter",
            self.server,
            window=f"{WINDOW_DAYS}d",
            refresh_interval=refresh_interval,
            state_dir=str(state),
        )

    def scraper(self, exporter: Exporter, **of_job: object) -> VmAgent:
        """Return a vmagent that has scraped the exporter several times."""
        agent = self.services.vmagent(scrape_config(job(INTERVALS_JOB, exporter.address, **of_job)), self.database)
        self.scrape(agent)
        return agent

    def scrape(self, agent: VmAgent) -> None:
        """Wait until several more scrapes are stored."""
        agent.wait_for_scrapes(3)
        agent.wait_until_sent()

    def check(self, **labels: str) -> None:
        """Expect one series per meter and family, current samples, and exact daily sums."""
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
                sums = self.database.query(f"sum_over_time(smarthub_interval_{name}[{end - start}s])", end)
                days_own = {
                    key: values[end] for key, values in wanted.items() if ("__name__", f"smarthub_day_{name}") in key
                }
                assert {round(value, 6) for value in sums.values()} == set(days_own.values())
                assert len(sums) == len(days_own)

    def check_copies(self) -> None:
        """Expect copies of a sample to have the same timestamp."""
        stored = self.database.export(ALL)
        self.database.terminate()
        # Without reduce_mem_usage=1, since 1.79.5 then sometimes mixes up the blocks of a series.
        copy = self.services.victoria_metrics(without=["-dedup.minScrapeInterval"], folder=self.database.folder)
        everything = copy.export(ALL)
        assert {labels: sorted(set(samples)) for labels, samples in everything.items()} == stored
        assert sum(map(len, everything.values())) > sum(map(len, stored.values()))

    def revise(self, *revisions: tuple[int, float]) -> None:
        """Change the energy of the 15-minute intervals that start at these instants."""
        now = time.time()
        more = tuple(Revision(SOLAR.number, start, now, factor) for start, factor in revisions)
        change(self.server, revisions=(*self.server.portal.settings.revisions, *more))


def backfilled(*streets: Street, corrected: int | None = None) -> None:
    """Backfill a month of each street in parallel.

    `corrected` is the number of intervals in the summary.
    """
    for done in [street.backfiller.start(*street.days) for street in streets]:
        assert done.wait(2 * DEADLINE) == EXIT_DONE, done.stderr
        if corrected is not None:
            assert figure(done, "corrected").startswith(f"{corrected} intervals")


def test_scraped_and_backfilled_data_are_one_history(streets: list[Street]) -> None:
    backfilled(*streets)
    for street in streets:
        street.scraper(street.exporter())

        street.check()

    streets[0].check_copies()


def test_corrections_win_over_what_is_still_scraped(streets: list[Street]) -> None:
    agents = [street.scraper(street.exporter(refresh_interval="1h")) for street in streets]
    backfilled(*streets)
    old, recent = midnight(25) + 19 * 3600, midnight(3) + 18 * 3600
    first = ((old, 1.5), (old + 900, 0.5), (recent, 1.5), (recent + 900, 0.25))

    for corrections in (first, ((old, 0.1), (recent, 0.1))):
        for street in streets:
            street.revise(*corrections)
        backfilled(*streets, corrected=len(corrections))
        for street, agent in zip(streets, agents, strict=True):
            street.scrape(agent)
            street.check()


def test_a_correction_older_than_the_window_is_reported(streets: list[Street]) -> None:
    street = streets[0]
    exporter = street.exporter()
    agent = street.scraper(exporter)
    backfilled(street)
    old = midnight(20) + 19 * 3600
    gauge = "smarthub_backfill_needed_since_timestamp_seconds"

    exporter.terminate()
    street.revise((old, 0.5), (old + 900, 2.0))
    exporter.start()
    wait_until(lambda: gauge in exporter.metrics(), "a backfill to be asked for")
    assert f'{gauge}{{account="55001",location="70002",' in exporter.page()
    assert exporter.metrics()[gauge] == midnight(20)

    backfilled(street, corrected=2)

    exporter.wait_for_refresh()
    assert gauge not in exporter.metrics()
    street.scrape(agent)
    street.check()
    assert "level=error" not in exporter.log


def test_a_backfill_can_write_the_labels_of_the_scrape(streets: list[Street]) -> None:
    street = streets[1]
    exporter = street.exporter()
    street.scraper(exporter, metric_relabel_configs=[])
    labels = {"job": "smarthub_intervals", "instance": exporter.address}
    street.backfiller.configure(url=street.database.url, extra_labels=labels)

    backfilled(street)

    street.check(**labels)


# -- Ways to the database


@pytest.fixture
def portal(services: Services) -> PortalServer:
    return served(services, HOURLY_HOUSE)


def test_a_cluster_has_separate_addresses_to_write_and_read(
    services: Services, tmp_path: Path, portal: PortalServer
) -> None:
    database = services.victoria_metrics()
    writing = services.vmauth(database, "/insert/0/prometheus", "/api/v1/import")
    reading = services.vmauth(database, "/select/0/prometheus", "/api/v1/query", "/api/v1/export")
    credentials = {"username": writing.username, "password": writing.password}

    done = Backfiller(tmp_path, portal.url, writing.url, query_url=reading.url, **credentials).run(*between(32, 3))

    assert (done.wait(), done.stderr.count("samples sent")) == (EXIT_DONE, 1)
    assert "Note" not in done.stdout
    month = truth(portal, midnight(32), midnight(2))
    assert differences(by_end(database.export(ALL)), month) == []


def test_another_database_at_the_query_url_is_noticed(services: Services, tmp_path: Path, portal: PortalServer) -> None:
    empty, full = services.victoria_metrics(), services.victoria_metrics()
    days = between(32, 3)
    assert Backfiller(tmp_path / "first", portal.url, full.url).run(*days).wait() == EXIT_DONE
    before = full.export()

    done = Backfiller(tmp_path / "second", portal.url, empty.url, query_url=full.url).start(*days)

    assert (done.wait(2 * DEADLINE), "Not finished: 0 of 30 days " in done.stdout) == (EXIT_FAILED, True), done.stdout
    assert [*empty.export()] == [series("smarthub_backfill_probe")]
    assert full.export() == before


def test_a_vmagent_may_pass_a_backfill_on(services: Services, tmp_path: Path, portal: PortalServer) -> None:
    database = services.victoria_metrics()
    agent = services.vmagent(scrape_config(), database)

    done = Backfiller(tmp_path, portal.url, agent.url, query_url=database.url).run(*between(32, 3))

    assert done.wait(2 * DEADLINE) == EXIT_DONE, done.stderr
    assert differences(by_end(database.export(ALL)), truth(portal, midnight(32), midnight(2))) == []


def test_flags_of_a_proxy_are_not_taken_for_the_databases(
    services: Services, tmp_path: Path, portal: PortalServer
) -> None:
    proxy = services.vmauth(services.victoria_metrics(), "", "/.*")
    credentials = {"username": proxy.username, "password": proxy.password}

    plan = Backfiller(tmp_path, portal.url, proxy.url, **credentials).run("--days", "300", "--dry-run")

    assert plan.wait() == EXIT_DONE
    assert "Note" not in plan.stdout
