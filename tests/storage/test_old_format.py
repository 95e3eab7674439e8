"""State files of earlier versions: everything in them is kept, and damaged ones are set aside."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo
from exporter.storage.state import FILE, StateFile

from ..support.worlds import DAY, NOW, WALL

TODAY = WALL.day(NOW).start
HOUSE = LocationKey("novec", "0012345001", "70001")
TABLES = """
CREATE TABLE location (
    portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL, name TEXT NOT NULL, timezone TEXT NOT NULL,
    PRIMARY KEY (portal, account, location)) WITHOUT ROWID;
CREATE TABLE meter (
    id INTEGER PRIMARY KEY, portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL, number TEXT NOT NULL,
    flows TEXT NOT NULL, parent INTEGER NOT NULL, net INTEGER NOT NULL, exports INTEGER NOT NULL,
    signed INTEGER NOT NULL, step INTEGER NOT NULL, UNIQUE (portal, account, location, number));
CREATE TABLE interval (
    meter INTEGER NOT NULL, whole_day INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
    usage REAL, usage_k INTEGER NOT NULL, export REAL, export_k INTEGER NOT NULL, cost REAL, cost_k INTEGER NOT NULL,
    PRIMARY KEY (meter, whole_day, start)) WITHOUT ROWID;
CREATE TABLE period (
    meter INTEGER NOT NULL, start INTEGER NOT NULL, name TEXT NOT NULL, kwh REAL NOT NULL, k INTEGER NOT NULL,
    PRIMARY KEY (meter, start, name)) WITHOUT ROWID;
CREATE TABLE backfill_needed (
    portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (portal, account, location, day)) WITHOUT ROWID;
CREATE TABLE refused_sign_ins (
    login TEXT NOT NULL, fingerprint TEXT NOT NULL, count INTEGER NOT NULL, last REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (login, fingerprint)) WITHOUT ROWID;
CREATE TABLE backfill (id INTEGER PRIMARY KEY, task TEXT NOT NULL UNIQUE, touched REAL NOT NULL);
CREATE TABLE backfill_done (
    backfill INTEGER NOT NULL, portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL,
    start INTEGER NOT NULL, end INTEGER NOT NULL, figures TEXT NOT NULL,
    PRIMARY KEY (backfill, portal, account, location, start)) WITHOUT ROWID;
"""
ROWS = f"""
INSERT INTO location VALUES ('novec', '0012345001', '70001', 'House', 'America/New_York');
INSERT INTO meter VALUES
    (7, 'novec', '0012345001', '70001', '0081001', 'FORWARD,NET', 1, 0, 1, 0, 900),
    (9, 'novec', '0012345001', '70001', '0081002', '', 0, 0, 0, 1, 86400);
INSERT INTO interval VALUES
    (7, 0, {TODAY - 900}, {TODAY}, 0.25, 3, NULL, 0, -0.04, 55),
    (7, 0, {TODAY}, {TODAY + 900}, NULL, 0, 1.25, 999, NULL, 0),
    (7, 1, {TODAY - DAY}, {TODAY}, 17.5, 200, 3.0, 201, 2.2, 202);
INSERT INTO period VALUES (7, {TODAY - 900}, 'On', 0.0, 4), (7, {TODAY - 900}, 'Off', 0.25, 3);
INSERT INTO backfill_needed VALUES ('novec', '0012345001', '70001', {TODAY - 9 * DAY});
INSERT INTO refused_sign_ins VALUES ('login', 'print', 2, {NOW}, 'credentials');
INSERT INTO backfill VALUES (3, 'task', {NOW});
INSERT INTO backfill_done VALUES (3, 'novec', '0012345001', '70001', {TODAY - 9 * DAY}, {TODAY}, 'figures');
"""
KNOWN = Location(
    HOUSE,
    "House",
    "America/New_York",
    (
        Meter.of(
            MeterInfo("0081001", ("FORWARD", "NET"), parent=True, exports=True, signed=False),
            (
                Interval(TODAY - 900, TODAY, 0.25, 3, None, 0, -0.04, 55, (("Off", 0.25, 3), ("On", 0.0, 4))),
                Interval(TODAY, TODAY + 900, None, 0, 1.25, 999),
            ),
            (Interval(TODAY - DAY, TODAY, 17.5, 200, 3.0, 201, 2.2, 202),),
        ),
        Meter.of(MeterInfo("0081002", step=86400)),
    ),
)


@pytest.fixture
def old_file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as file:
        file.executescript(TABLES + ROWS)
        yield file


def tables(file: sqlite3.Connection) -> set[str]:
    return {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_everything_is_converted(old_file: sqlite3.Connection, tmp_path: Path) -> None:
    for _ in range(2):
        with closing(StateFile(tmp_path)) as state:
            assert state.locations() == [KNOWN]
            assert state.backfill_needed() == {HOUSE: TODAY - 9 * DAY}
            assert state.chunks_done("task") == [(HOUSE, TODAY - 9 * DAY, TODAY, "figures")]
            assert state.is_kept


def test_only_rejected_sign_ins_keep_their_old_table(old_file: sqlite3.Connection, tmp_path: Path) -> None:
    StateFile(tmp_path).close()
    assert tables(old_file) == {"entry", "refused_sign_ins"}
    assert old_file.execute("SELECT * FROM refused_sign_ins").fetchall() == [("login", "print", 2, NOW, "credentials")]


def test_a_locked_file_is_read_and_converted_later(old_file: sqlite3.Connection, tmp_path: Path) -> None:
    old_file.execute("BEGIN IMMEDIATE")
    with closing(StateFile(tmp_path)) as state:
        assert state.locations() == [KNOWN]
        assert state.problem
        old_file.execute("ROLLBACK")

        state.changed_elsewhere()

        assert state.is_kept
    assert "location" not in tables(old_file)
    assert StateFile(tmp_path).locations() == [KNOWN]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE interval SET usage = 9e999",
        "UPDATE interval SET usage = -1",
        "UPDATE interval SET usage_k = 1000",
        "UPDATE interval SET usage = 'much'",
        "UPDATE interval SET start = 'now' || start",
        "UPDATE interval SET whole_day = 2",
        "UPDATE interval SET end = start",
        "UPDATE period SET kwh = -1",
        "UPDATE period SET name = CAST(x'ff' || name AS TEXT)",
        "UPDATE meter SET number = x'ff' || id",
        "UPDATE meter SET step = 'a'",
        "UPDATE location SET timezone = 'Mars'",
        "UPDATE location SET name = CAST(x'ff' AS TEXT)",
        "UPDATE backfill_needed SET day = -1",
        "UPDATE backfill_done SET end = 'never'",
        "DROP TABLE period",
        "CREATE TABLE other (x)",
    ],
)
def test_a_damaged_file_is_set_aside(old_file: sqlite3.Connection, tmp_path: Path, damage: str) -> None:
    old_file.execute(damage)

    with closing(StateFile(tmp_path)) as state:
        assert (state.locations(), state.backfill_needed(), state.chunks_done("task")) == ([], {}, [])
        assert state.is_kept

    assert [path.name.split("-")[0] for path in sorted(tmp_path.glob(f"{FILE}*"))] == [FILE, f"{FILE}.damaged"]
