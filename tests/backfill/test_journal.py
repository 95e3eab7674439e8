"""The progress of an interrupted backfill: what is kept, for which task, how long."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.backfill.journal import CompletedChunk, Coverage, Journal, Totals
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.jobs import BARN, HOUSE
from ..support.worlds import NOW

HOUR = 3600
TASK = ("victoriametrics http://127.0.0.1:8428", "house 2025")
FIRST = CompletedChunk(HOUSE, 1000, 2000, Totals(24, 12.5, 0.25, 1.75, 96, 2, 1))
SECOND = CompletedChunk(HOUSE, 2000, 3000, Totals(23, 1.5))
OTHER = CompletedChunk(BARN, 1000, 2000, Totals(1))

Open = Callable[..., Journal]


@pytest.fixture
def open_journal(tmp_path: Path, clock: ManualClock) -> Iterator[Open]:
    """Return a function that opens the journal of a task, as another process would."""
    with ExitStack() as stack:

        def start(*task: object) -> Journal:
            return Journal(stack.enter_context(closing(StateFile(tmp_path))), clock, task or TASK)

        yield start


def begun(open_journal: Open, *done: CompletedChunk) -> Journal:
    journal = open_journal()
    journal.begin(restart=False)
    for each in done:
        journal.note(each)
    return journal


def test_finished_chunks_are_known_to_the_next_process(open_journal: Open) -> None:
    coverage = Coverage({"81001": (1000, 1900), "M,\u00fc 2": (1000, 2000)}, ("M,\u00fc 2",))
    done = replace(FIRST, coverage=coverage, digest=b"\x00what is stored")
    begun(open_journal, SECOND, OTHER, done)
    assert open_journal().read() == [done, SECOND, OTHER]


def test_a_chunk_that_is_done_again_is_listed_once(open_journal: Open) -> None:
    again = replace(FIRST, totals=Totals(25))
    begun(open_journal, FIRST, again)
    assert open_journal().read() == [again]


def test_a_failed_snapshot_is_known_to_the_runs_that_resume(open_journal: Open, clock: ManualClock) -> None:
    journal = begun(open_journal)
    assert not journal.snapshots_fail
    journal.note_snapshot_failure()
    open_journal().begin(restart=False)
    assert open_journal().snapshots_fail
    assert not open_journal("another task").snapshots_fail
    open_journal().begin(restart=True)
    assert not open_journal().snapshots_fail
    journal.note_snapshot_failure()
    journal.remove()
    assert not open_journal().snapshots_fail
    journal.note_snapshot_failure()
    clock.advance(24 * HOUR + 1)
    open_journal("another task").begin(restart=False)
    assert not open_journal().snapshots_fail


@pytest.mark.parametrize(
    "forget", [Journal.remove, lambda journal: journal.begin(restart=True)], ids=["done", "restart"]
)
def test_only_the_given_task_is_removed(open_journal: Open, forget: Callable[[Journal], None]) -> None:
    other = open_journal("other")
    other.begin(restart=False)
    other.note(OTHER)
    journal = begun(open_journal, FIRST)
    forget(journal)
    assert journal.read() == []
    journal.begin(restart=False)
    journal.note(SECOND)
    assert open_journal().read() == [SECOND]
    assert open_journal("other").read() == [OTHER]
    assert open_journal("other", "house 2025").read() == []


def test_each_chunk_counts_as_done_for_a_day(open_journal: Open, clock: ManualClock) -> None:
    journal = begun(open_journal, FIRST)
    clock.advance(20 * HOUR)
    journal.note(SECOND)
    clock.advance(4 * HOUR)
    assert open_journal().read() == [FIRST, SECOND]
    clock.advance(1)
    open_journal().begin(restart=False)
    assert open_journal().read() == [SECOND]


def test_only_the_given_chunk_is_removed(open_journal: Open) -> None:
    begun(open_journal, FIRST, SECOND, OTHER).forget(FIRST)
    assert open_journal().read() == [SECOND, OTHER]


def test_expired_chunks_of_all_tasks_are_deleted(open_journal: Open, clock: ManualClock) -> None:
    begun(open_journal, FIRST)
    clock.advance(24 * HOUR)
    open_journal("other").begin(restart=False)
    assert open_journal().read() == [FIRST]
    clock.advance(1)
    open_journal("other").begin(restart=True)
    clock.advance(-2)
    assert open_journal().read() == []


def test_totals_add_up_field_by_field() -> None:
    assert Totals(1, 2.5, 3.0, 4.0, 5, 6, 7) + Totals(10, 0.25, 30.0, 40.0, 50, 60, 70) == Totals(
        11, 2.75, 33.0, 44.0, 55, 66, 77
    )
    assert sum([FIRST.totals, SECOND.totals], Totals()) == Totals(47, 14.0, 0.25, 1.75, 96, 2, 1)


# -- entries of other versions


TOTALS = {"intervals": 24, "usage": 12.5, "export": 0.25, "cost": 1.75, "samples": 96, "corrected": 2, "gone": 1}
NOTHING: dict[str, object] = {"spans": {}, "one_way": []}
NOTED = float(NOW)


def overwritten(open_journal: Open, text: str) -> None:
    """Write a journal whose first entry comes from another version."""
    journal = begun(open_journal, FIRST, SECOND)
    journal._state.note_chunk(journal._task, NOTED, FIRST.chunk_key, text)


def test_the_format_of_an_entry_has_not_changed(open_journal: Open) -> None:
    overwritten(open_journal, json.dumps([NOTED, TOTALS, NOTHING, ""]))
    assert open_journal().read() == [FIRST, SECOND]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([NOTED, TOTALS, NOTHING]),
        json.dumps(["yesterday", TOTALS, NOTHING, ""]),
        json.dumps([NOTED, {**TOTALS, "gaps": 1}, NOTHING, ""]),
        json.dumps([NOTED, {**TOTALS, "usage": "much"}, NOTHING, ""]),
        json.dumps([NOTED, TOTALS, {"spans": {}}, ""]),
        json.dumps([NOTED, TOTALS, {**NOTHING, "spans": []}, ""]),
        "{",
    ],
)
def test_a_chunk_of_another_version_is_done_again(open_journal: Open, text: str) -> None:
    overwritten(open_journal, text)
    journal = open_journal()
    journal.begin(restart=False)
    assert journal.read() == [SECOND]
    journal.note(FIRST)
    assert open_journal().read() == [FIRST, SECOND]
