"""`backfill --start first` by the real command into a real VictoriaMetrics, killed in the middle."""

import csv
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

from exporter.errors import EXIT_DONE
from exporter.metrics.families import TIMESTAMPED
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings, Span
from exporter.simulator.specs import Channels
from exporter.simulator.world import World
from exporter.storage.entries import CHUNK
from exporter.storage.state import FILE

from ..support.backfill_process import Backfiller, InstantPortal, days_ago, figure, midnight
from ..support.deadlines import DEADLINE
from ..support.exporter_process import house, meter
from ..support.portal import change
from ..support.program import Program
from ..support.services import Services, wait_until
from ..support.truth import Expected, by_end, differences, expected

SOLAR, BARN = meter(2, Channels.THREE, 3600, periods=True), meter(3, step=3600)
HOUSES = World(locations=(house(2, SOLAR), house(3, BARN)))
ALL = f'{{__name__=~"{"|".join(each.family.name for each in TIMESTAMPED)}"}}'
BEGIN, LAST = 800, 9  # days ago; across at least four daylight saving changes
VACANCY = (500, 140)  # a year without a member
NO_DATE, WRONG_DATE = "", str(days_ago(20))
CHUNK_DAYS = 30
LATENCY = 0.4
USAGE = "smarthub_interval_usage_kwh"


class History:
    """A portal with two years of a solar house with a vacancy and of a barn, a database, and backfills of all."""

    def __init__(self, services: Services, folder: Path, connect_date: str) -> None:
        empty = Span(SOLAR.number, *map(midnight, VACANCY))
        settings = Settings(
            pending=0, history_from=str(days_ago(BEGIN)), connect_date=connect_date, gaps=(empty,), latency=LATENCY
        )
        self.server = services.enter_context(PortalServer(InstantPortal(HOUSES, settings)))
        self.database = services.victoria_metrics()
        self.command = Backfiller(folder, self.server.url, self.database.url)
        self.flags = ("--start", "first", "--end", str(days_ago(LAST)))

    @property
    def truth(self) -> Expected:
        return expected(self.server.portal, self.server.host, midnight(BEGIN), midnight(LAST - 1))

    @property
    def polls(self) -> int:
        return sum(count for (endpoint, _), count in self.server.portal.calls.items() if endpoint == "poll")

    @property
    def all_polls(self) -> int:
        """How many polls it takes if nothing is asked for twice.

        For each location the current meters, the chunks since the first interval, and 13 without one.
        """
        newest, oldest = ((days_ago(days) - date(1990, 1, 1)).days // CHUNK_DAYS for days in (LAST, BEGIN))
        return len(HOUSES.locations) * (1 + newest - oldest + 1 + 13)

    def settled(self) -> int:
        """Return how many chunks are done according to the journal."""
        if not (self.command.state / FILE).exists():
            return 0
        with closing(sqlite3.connect(f"file:{self.command.state / FILE}?mode=ro", uri=True)) as state:
            try:
                return int(state.execute("SELECT count(*) FROM entry WHERE kind = ?", [CHUNK]).fetchone()[0])
            except sqlite3.OperationalError:  # not created yet, or locked
                return 0

    def kill_when(self, is_time: Callable[[Program], bool]) -> None:
        running = self.command.start(*self.flags)
        wait_until(lambda: is_time(running), "the time to kill it", within=2 * DEADLINE)
        running.kill()


def test_all_of_it_is_stored_in_spite_of_kills(services: Services, tmp_path: Path) -> None:
    history = History(services, tmp_path, WRONG_DATE)
    history.kill_when(lambda running: running.stderr.count("samples sent") >= 4)
    history.kill_when(lambda _: history.settled() >= 20)  # in the vacancy
    settled, before = history.settled(), history.polls

    done = history.command.start(*history.flags)

    assert done.wait(4 * DEADLINE) == EXIT_DONE, done.stderr
    stored = history.database.export(ALL)
    assert differences(by_end(stored), history.truth) == []
    for samples in stored.values():
        seconds = [stamp // 1000 for stamp, _ in samples]
        assert len(seconds) == len(set(seconds))
    days = int(re.findall(r"^Resuming: ([\d,]+) days ", done.stdout, re.MULTILINE)[0].replace(",", ""))
    # The newest chunk of each location is shorter.
    assert CHUNK_DAYS * (settled - len(HOUSES.locations)) < days <= CHUNK_DAYS * settled
    # The state may know the current meters of both locations by now.
    assert 0 <= history.all_polls - settled - (history.polls - before) <= len(HOUSES.locations)
    assert figure(done, "intervals") == f"{count(history.truth):,}"
    for number in ("70002", "70003"):
        assert f"  begins      location {number}: the portal's intervals start on {days_ago(BEGIN)}\n" in done.stdout

    rows = history.database.metrics()["vm_rows_inserted_total"]
    change(history.server, latency=0.0)
    again = history.command.run(*history.flags)

    assert (again.wait(), figure(again, "samples")) == (EXIT_DONE, "0 sent and verified")
    assert history.database.metrics()["vm_rows_inserted_total"] == rows


def count(truth: Expected) -> int:
    """Return the number of intervals."""
    return sum(
        len(values) for labels, values in truth.items() if "smarthub_interval_usage_kwh" in dict(labels).values()
    )


def test_a_file_has_all_of_it_oldest_first(services: Services, tmp_path: Path) -> None:
    history = History(services, tmp_path, NO_DATE)
    change(history.server, latency=0.0)
    done = history.command.run(*history.flags, "--to", "csv", "--output", "out.csv")

    assert done.wait() == EXIT_DONE, done.stderr
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for spec in (SOLAR, BARN):
        found = [
            (datetime.fromisoformat(row["start"]).timestamp(), float(row["usage_kwh"]))
            for row in rows
            if row["meter"] == spec.number
        ]
        truths = history.server.portal.almanac.intervals(spec, midnight(BEGIN), midnight(LAST - 1))
        assert found == [(each.start, each.usage) for each in truths]
    assert history.polls == history.all_polls
