"""Test snapshots that prove what was written, and their names in the state."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from exporter.backfill.durability import Durability, destination_of
from exporter.backfill.journal import Journal
from exporter.errors import DatabaseError
from exporter.sinks.base import Sink
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.sinks import IdleSink

FAILS = DatabaseError("no hard links")


class SnapshotSink(IdleSink):
    """Makes snapshots; each list of errors says how the next calls end."""

    name = title = "fake"

    def __init__(self, identity: str = "http://vm:8428") -> None:
        self.identity = identity
        self.snapshots: list[str] = []
        self.makes = 0
        self.make_errors: list[DatabaseError] = []
        self.delete_errors: list[DatabaseError] = []
        self.can = True
        self.on_delete: Callable[[], None] = lambda: None

    def make_snapshot(self) -> str:
        self.makes += 1
        if self.make_errors:
            raise self.make_errors.pop(0)
        if not self.can:
            return ""
        self.snapshots.append(f"snapshot-{self.makes}")
        return self.snapshots[-1]

    def delete_snapshot(self, name: str) -> None:
        self.on_delete()
        if self.delete_errors:
            raise self.delete_errors.pop(0)
        self.snapshots.remove(name)


@pytest.fixture
def told() -> list[str]:
    return []


Open = Callable[..., Durability]


@pytest.fixture
def open_durability(tmp_path: Path, clock: ManualClock, told: list[str]) -> Iterator[Open]:
    """Return a function that does what a run of the same task does first."""
    with ExitStack() as stack:

        def start(sink: Sink, task: str = "task") -> Durability:
            state = stack.enter_context(closing(StateFile(tmp_path)))
            journal = Journal(state, clock, [task])
            journal.begin(restart=False)
            return Durability(sink, state, journal, told.append)

        yield start


def left(tmp_path: Path, sink: Sink) -> list[str]:
    with closing(StateFile(tmp_path)) as state:
        return state.snapshots_left(destination_of(sink))


def test_a_snapshot_is_noted_until_it_is_deleted(open_durability: Open, tmp_path: Path) -> None:
    sink, seen = SnapshotSink(), []
    sink.on_delete = lambda: seen.append(left(tmp_path, sink))
    assert open_durability(sink).prove()
    assert (sink.makes, sink.snapshots, seen, left(tmp_path, sink)) == (1, [], [["snapshot-1"]], [])


def test_what_could_not_be_deleted_is_left_to_the_next_run(open_durability: Open, tmp_path: Path) -> None:
    sink = SnapshotSink()
    sink.delete_errors = [FAILS, FAILS]
    assert open_durability(sink).prove()
    open_durability(sink).delete_left()
    assert sink.snapshots == left(tmp_path, sink) == ["snapshot-1"]
    open_durability(SnapshotSink("http://other:8428")).delete_left()
    assert left(tmp_path, sink) == ["snapshot-1"]
    open_durability(sink, "another task").delete_left()
    assert sink.snapshots == left(tmp_path, sink) == []


def test_only_own_snapshots_are_deleted(open_durability: Open) -> None:
    sink = SnapshotSink()
    sink.snapshots.append("of a backup")
    durability = open_durability(sink)
    assert durability.prove()
    durability.delete_left()
    assert sink.snapshots == ["of a backup"]


def test_after_a_failure_no_other_run_of_the_task_tries_again(open_durability: Open, told: list[str]) -> None:
    sink = SnapshotSink()
    sink.make_errors = [FAILS]
    durability = open_durability(sink)
    assert not durability.prove()
    assert not durability.prove()
    assert not open_durability(sink).prove()
    assert (sink.makes, told) == (1, ["could not make a snapshot, waiting instead: no hard links"])
    assert open_durability(sink, "another task").prove()


def test_without_a_snapshot_nothing_is_proven(open_durability: Open, told: list[str]) -> None:
    sink = SnapshotSink()
    sink.can = False
    durability = open_durability(sink)
    assert not durability.prove()
    sink.can = True
    assert durability.prove()
    assert told == []
