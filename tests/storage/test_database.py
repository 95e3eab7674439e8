"""A state file that is locked, full, read-only, gone, damaged or newer, at the start and later."""

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from exporter.storage.database import Database
from exporter.storage.entries import EntryKey

FIRST, SECOND, THIRD = (EntryKey("kind", "novec", "1", "2", "name", start) for start in (1, 2, 3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@contextmanager
def opened(path: Path | None) -> Iterator[Database]:
    with closing(Database(path)) as database:
        yield database


@contextmanager
def other(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        yield file


def entries(database: Database) -> dict[EntryKey, bytes]:
    return database.read(dict, "kind")


def stored(path: Path) -> dict[EntryKey, bytes]:
    with opened(path) as database:
        return entries(database)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "cannot" in record.msg or "again" in record.msg]


# -- entries


def test_entries_are_replaced_and_deleted(path: Path) -> None:
    with opened(path) as database:
        database.write({SECOND: b"2", FIRST: b"1"})
        database.write({FIRST: b"\0", SECOND: None, THIRD: b""})
        assert list(entries(database).items()) == [(FIRST, b"\0"), (THIRD, b"")]
        assert database.keys_before("kind", 3) == [FIRST]
    assert stored(path) == {FIRST: b"\0", THIRD: b""}


def test_only_the_given_kinds_and_location_are_read(path: Path) -> None:
    others = [FIRST._replace(kind="more"), FIRST._replace(kind="other"), FIRST._replace(location="3")]
    for where in (path, None):
        with opened(where) as database:
            database.write(dict.fromkeys([FIRST, *others], b""))
            assert list(database.read(dict, "kind", "more", of=FIRST.location_key)) == [FIRST, others[0]]


def test_each_wanted_location_is_read_with_its_changes(path: Path) -> None:
    more, elsewhere, unwanted, unsaved = (
        FIRST._replace(kind="more"),
        *(FIRST._replace(location=number) for number in ("3", "4", "0")),
    )
    with opened(path) as database:
        database.write({more: b"1", FIRST: b"2", SECOND: b"3", elsewhere: b"4", unwanted: b"5"})
        with locked(path, database):
            database.write({SECOND: None, THIRD: b"6", more: b"7", unsaved: b"8"})
            found = database.read_by_location(dict, "kind", "more", wanted=lambda key: key.location != "4")
    expected = [{FIRST: b"2", THIRD: b"6", more: b"7"}, {elsewhere: b"4"}, {unsaved: b"8"}]
    assert [list(each.items()) for each in found] == [list(each.items()) for each in expected]


# -- files that cannot be written for a while


@contextmanager
def locked(path: Path, _: Database) -> Iterator[None]:
    with other(path) as file:
        file.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def locked_for_reading(path: Path, _: Database) -> Iterator[None]:
    with other(path) as file:
        file.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def read_by_another(path: Path, _: Database) -> Iterator[None]:
    with other(path) as file:
        file.execute("BEGIN")
        file.execute("SELECT * FROM entry").fetchone()
        yield


@contextmanager
def full(_: Path, database: Database) -> Iterator[None]:
    assert database._file
    database._file.execute("PRAGMA max_page_count = 1")
    yield
    database._file.execute("PRAGMA max_page_count = 1000000")


@contextmanager
def in_no_directory(path: Path, _: Database) -> Iterator[None]:
    moved = path.parent.rename(path.parent.with_name("moved"))
    path.parent.touch()
    yield
    path.parent.unlink()
    moved.rename(path.parent)


Trouble = Callable[[Path, Database], AbstractContextManager[None]]
TROUBLES = [locked, locked_for_reading, read_by_another, full, in_no_directory]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_everything_is_written_once_it_can_be(path: Path, caplog: pytest.LogCaptureFixture, trouble: Trouble) -> None:
    caplog.set_level("INFO")
    with opened(path) as database:
        database.write({FIRST: b"1", SECOND: b"2"})
        with trouble(path, database):
            database.write({SECOND: None, THIRD: bytes(9000)})
            database.write({THIRD: bytes(9001)})
            assert database.problem
            assert entries(database)[THIRD] == bytes(9001)
            assert SECOND not in entries(database)
        database.changed_elsewhere()
        assert database.is_kept
        assert entries(database) == {FIRST: b"1", THIRD: bytes(9001)}
        assert not database.changed_elsewhere()
    assert stored(path) == {FIRST: b"1", THIRD: bytes(9001)}
    problem, solved = messages(caplog)
    assert problem.startswith(f"cannot save the state in {path.parent} (")
    assert solved == f"the state in {path.parent} is saved again"


def test_an_unreadable_file_is_loaded_later(path: Path) -> None:
    with opened(path) as database:
        database.write({FIRST: b"1"})
    with other(path) as file:
        file.execute("BEGIN EXCLUSIVE")
        with opened(path) as database:
            database.write({SECOND: b"2"})
            assert entries(database) == {SECOND: b"2"}
            assert not database.changed_elsewhere()

            file.execute("ROLLBACK")

            assert database.changed_elsewhere()
            assert entries(database) == {FIRST: b"1", SECOND: b"2"}
            assert not database.changed_elsewhere()


# -- files that are replaced


def test_a_file_that_was_deleted_is_made_again(path: Path) -> None:
    with opened(path) as database:
        database.write({FIRST: b"1"})
        path.unlink()

        assert database.changed_elsewhere()

        assert entries(database) == {}
        database.write({SECOND: b"2"})
    assert stored(path) == {SECOND: b"2"}


def test_a_newer_file_is_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(path) as database:
        database.write({FIRST: b"1"})
    with other(path) as file:
        file.execute("PRAGMA user_version = 3")
    content = path.read_bytes()

    assert stored(path) == {}

    (aside,) = path.parent.glob("state.db.newer-*")
    assert aside.read_bytes() == content
    assert caplog.messages == [
        f"the state file {path} was written by a newer version; renamed it to {aside.name} and starting fresh"
    ]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entry SET checksum = checksum + 1",
        "UPDATE entry SET data = x'00'",
        "UPDATE entry SET data = 'text'",
        "UPDATE entry SET data = 1, checksum = 0",
        "UPDATE entry SET start = 9",
        "UPDATE entry SET start = 'now'",
        "UPDATE entry SET name = CAST(x'ff' AS TEXT)",
        "ALTER TABLE entry DROP COLUMN checksum",
        "ALTER TABLE entry ADD COLUMN more",
        "DROP TABLE entry",
        "PRAGMA user_version = 0",
        "PRAGMA journal_mode = WAL",
    ],
)
def test_a_damaged_file_is_set_aside(path: Path, damage: str) -> None:
    with opened(path) as database:
        database.write({FIRST: b"1"})
    with other(path) as file:
        file.execute(damage)

    for _ in range(2):
        assert stored(path) == {}
    assert len([*path.parent.glob("state.db.damaged-*")]) == 1


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere"), lambda path: path.symlink_to(path)],
    ids=["directory", "pipe", "dangling link", "circular link"],
)
@pytest.mark.parametrize("is_running", [False, True], ids=["at the start", "later"])
def test_what_is_not_a_file_is_set_aside(path: Path, make: Callable[[Path], object], *, is_running: bool) -> None:
    database = Database(path) if is_running else None
    path.unlink(missing_ok=True)
    make(path)
    with closing(database or Database(path)) as database:
        database.write({FIRST: b"1"})
        assert database.is_kept
    assert stored(path) == {FIRST: b"1"}
    assert len([*path.parent.glob("state.db.damaged-*")]) == 1


def test_a_link_to_the_file_is_kept(path: Path) -> None:
    path.symlink_to(path.with_name("target"))
    with opened(path.with_name("target")) as database:
        database.write({FIRST: b"1"})
    assert stored(path) == {FIRST: b"1"}
    assert path.is_symlink()


def test_damage_is_noticed_while_it_is_used(path: Path) -> None:
    with opened(path) as database, other(path) as file:
        database.write({FIRST: b"1"})
        file.execute("UPDATE entry SET checksum = 0")
        assert database.changed_elsewhere()

        assert entries(database) == {}

        assert database.changed_elsewhere()
        database.write({SECOND: b"2"})
        assert database.is_kept
    assert stored(path) == {SECOND: b"2"}


def test_what_a_reader_rejects_is_damaged(path: Path) -> None:
    with opened(path) as database:
        database.write({FIRST: b"not a number"})
        assert database.read(lambda found: [int(data) for data in found.values()], "kind") == []
    assert stored(path) == {}


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bits_never_change_an_entry(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    known = {FIRST._replace(name=str(at)): rng.randbytes(rng.randrange(3000)) for at in range(20)}
    with opened(path) as database:
        database.write({**known})
    content = bytearray(path.read_bytes())
    reach = rng.choice((100, 1000, len(content)))
    for _ in range(rng.choice((1, 2, 8, 64))):
        content[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    path.write_bytes(content)

    with opened(path) as database:
        found = entries(database)
        database.write({SECOND: b"2"})
        assert database.is_kept

    assert found.items() <= known.items()
    assert stored(path) == {**found, SECOND: b"2"}
