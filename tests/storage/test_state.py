"""What outlives a restart, a kill in the middle of a write, and whatever may have become of the file (contract 2)."""

import errno
import logging
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from exporter.intervals.model import Interval, Location, LocationKey, Meter, MeterInfo
from exporter.storage.sign_ins import RejectedSignIns
from exporter.storage.state import FILE, StateFile

from ..support.worlds import DAY, NOW

OpenState = Callable[[], StateFile]

HOUSE = LocationKey("novec", "0012345001", "70001")
BARN = LocationKey("127.0.0.1:10059", "55002", "70002")
FULL = Location(
    HOUSE,
    'Großmutter\'s "House"',
    "America/New_York",
    (
        Meter(
            MeterInfo(
                "0081001", ("FORWARD", "NET", "REVERSE"), parent=True, net=True, exports=True, signed=False, step=900
            ),
            (
                Interval(
                    NOW - 1800, NOW - 900, 0.1 + 0.2, 3, 0.0, 1, -0.04, 55, (("Off Peak", 0.3, 3), ("Été", 0.0, 9))
                ),
                Interval(NOW - 900, NOW, None, 0, 1.25, 999, None, 0, ()),
            ),
            (Interval(NOW - 3 * DAY, NOW - 2 * DAY, 17.123456, 200, 3.0, 201, 2.2, 202, ()),),
        ),
        Meter(MeterInfo("0081002", step=86400), (Interval(NOW - 2 * DAY, NOW - DAY, 5.0, 7),)),
        Meter(MeterInfo("empty")),
    ),
)
BARE = Location(BARN)


@pytest.fixture
def open_state(tmp_path: Path) -> Iterator[OpenState]:
    with ExitStack() as stack:

        def start() -> StateFile:
            return stack.enter_context(closing(StateFile(tmp_path)))

        yield start


def save(state: StateFile, location: Location, keep_from: int = 0, needed_days: tuple[int, ...] = ()) -> None:
    changed = [(meter.info.number, meter.intervals, meter.days) for meter in location.meters]
    state.save(location, changed, needed_days, keep_from)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def one_meter(*intervals: Interval, days: tuple[Interval, ...] = (), number: str = "81001") -> Location:
    return Location(HOUSE, "House", "America/New_York", (Meter(MeterInfo(number), intervals, days),))


# -- what comes back


def test_everything_comes_back_equal(open_state: OpenState) -> None:
    state = open_state()
    save(state, FULL)
    save(state, BARE)

    assert open_state().locations() == [BARE, FULL]


def test_a_later_value_takes_the_place_of_an_earlier_one(open_state: OpenState) -> None:
    state = open_state()
    save(state, one_meter(Interval(0, 900, 1.0, 1, periods=(("On", 1.0, 1),)), Interval(900, 1800, 2.0, 1)))
    later = Interval(0, 900, 1.5, 2, 0.0, 2, 0.1, 2, (("Off", 1.5, 2), ("On", 0.0, 2)))
    state.save(one_meter(later), [("81001", [later], [])], (), -DAY)

    assert open_state().locations() == [one_meter(later, Interval(900, 1800, 2.0, 1))]


def test_a_name_zone_and_meter_that_change_are_remembered_as_they_are_now(open_state: OpenState) -> None:
    state = open_state()
    save(state, one_meter())
    after = Location(HOUSE, "Farm", "America/Chicago", (Meter(MeterInfo("81001", ("NET",), net=True, step=3600)),))
    save(state, after)

    assert open_state().locations() == [after]


def test_what_ended_before_is_forgotten(open_state: OpenState) -> None:
    state = open_state()
    old, new = Interval(1000 * DAY, 1000 * DAY + 900, 1.0, 1), Interval(1000 * DAY + 900, 1000 * DAY + 1800, 2.0, 1)
    save(state, one_meter(old, new, days=(Interval(999 * DAY, 1000 * DAY, 3.0, 1),)))
    save(state, one_meter(), keep_from=1000 * DAY + 900)

    assert open_state().locations() == [one_meter(new)]


def test_what_nobody_reads_any_more_is_forgotten_a_month_later(open_state: OpenState) -> None:
    state = open_state()
    save(state, one_meter(Interval(1000 * DAY, 1000 * DAY + 900, 1.0, 1)))

    save(state, BARE, keep_from=1029 * DAY)
    assert len(open_state().locations()[1].meters[0].intervals) == 1

    save(state, BARE, keep_from=1031 * DAY)
    assert len(open_state().locations()[1].meters[0].intervals) == 0


def test_a_meter_that_the_location_has_no_more_goes_with_its_intervals(open_state: OpenState) -> None:
    state = open_state()
    save(state, one_meter(Interval(0, 900, 1.0, 1), number="old"))
    after = one_meter(Interval(0, 900, 2.0, 1), number="new")
    save(state, after, keep_from=-1)
    assert open_state().locations() == [after]

    again = one_meter(number="old")
    save(state, again, keep_from=-1)
    assert open_state().locations() == [again]


def test_needed_days_come_back_as_the_oldest_of_each_location(open_state: OpenState) -> None:
    state = open_state()
    save(state, one_meter(), needed_days=(5 * DAY, 3 * DAY))
    save(state, one_meter(), needed_days=(3 * DAY, 4 * DAY))
    save(state, BARE, needed_days=(9 * DAY,))

    assert open_state().backfill_needed() == {HOUSE: 3 * DAY, BARN: 9 * DAY}


def test_no_needed_days_are_none(open_state: OpenState) -> None:
    save(open_state(), FULL)

    assert open_state().backfill_needed() == {}


def test_refused_sign_ins_come_back(open_state: OpenState) -> None:
    state = open_state()
    state.count_rejected_sign_in("one", "print", 1000.5, "credentials")
    state.count_rejected_sign_in("one", "print", 2000.5, "two_factor")

    assert open_state().rejected_sign_ins("one", "print") == RejectedSignIns(2, 2000.5, "two_factor")
    assert open_state().rejected_sign_ins("two", "print") is None

    open_state().forget_rejected_sign_ins("one")
    assert open_state().rejected_sign_ins("one", "print") is None


def test_a_write_that_breaks_leaves_all_as_it_was(open_state: OpenState) -> None:
    state = open_state()
    before = one_meter(Interval(0, 900, 1.0, 1))
    save(state, before)

    with pytest.raises(KeyError):
        state.save(BARE, [("unknown", [Interval(0, 900, 9.0, 9)], [])], (), 0)

    assert state.locations() == [before]
    assert open_state().locations() == [before]


# -- several at once


def test_what_another_process_writes_is_noticed_and_what_we_write_is_not(open_state: OpenState) -> None:
    ours, theirs = open_state(), open_state()
    save(ours, BARE)
    assert not ours.changed_elsewhere()

    save(theirs, FULL)

    assert ours.changed_elsewhere()
    assert not ours.changed_elsewhere()
    assert ours.locations() == [BARE, FULL]


def test_several_processes_lose_nothing(open_state: OpenState) -> None:
    states = [open_state() for _ in range(3)]
    for turn in range(4):
        for number, state in enumerate(states):
            state.count_rejected_sign_in("one", "print", float(turn), "credentials")
            save(state, one_meter(Interval(number * 900, number * 900 + 900, float(turn), 1)), keep_from=-1)

    refused = open_state().rejected_sign_ins("one", "print")
    assert refused is not None
    assert refused.count == 12
    assert open_state().locations() == [one_meter(*(Interval(n * 900, n * 900 + 900, 3.0, 1) for n in range(3)))]


# -- killed

WRITER = """
import sys
from pathlib import Path
from exporter.intervals.model import Interval, Location, LocationKey, Meter, MeterInfo
from exporter.storage.state import StateFile

state = StateFile(Path(sys.argv[1]))
location = Location(LocationKey("novec", "1", "2"), "", "", (Meter(MeterInfo("3")),))
for turn in range(1, 100_000):
    intervals = [Interval(at, at + 900, float(turn), turn) for at in range(0, 900 * 3000, 900)]
    state.save(location, [("3", intervals, [])], (turn,), -1)
    print(turn, flush=True)
"""


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("delay", [0.0, 0.004, 0.012])
def test_a_kill_in_the_middle_of_a_write_leaves_the_state_of_before_or_after(
    tmp_path: Path, open_state: OpenState, caplog: pytest.LogCaptureFixture, turns: int, delay: float
) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(turns):
            done = int(writer.stdout.readline())
        if delay:
            signal.sigtimedwait([], delay)
        writer.send_signal(signal.SIGKILL)
        done = max([done, *(int(line) for line in writer.stdout)])

    state = open_state()

    (location,) = state.locations()
    values = {interval.usage for interval in location.meters[0].intervals}
    assert len(location.meters[0].intervals) == 3000
    assert values in ({float(done)}, {float(done + 1)})
    save(state, FULL, keep_from=-1)
    assert len(open_state().locations()) == 2
    assert warnings(caplog) == []


# -- the file


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    before = os.umask(0o022)
    try:
        with closing(StateFile(folder)) as state:
            save(state, FULL)
    finally:
        os.umask(before)

    assert [(path.name, oct(mode(path))) for path in folder.iterdir()] == [(FILE, "0o600")]


def test_an_absent_folder_is_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "a" / "b"
    with closing(StateFile(folder)) as state:
        save(state, FULL)
        assert state.is_kept

    with closing(StateFile(folder)) as state:
        assert state.locations() == [FULL]
    assert warnings(caplog) == []


def test_without_a_folder_the_state_lives_in_memory(caplog: pytest.LogCaptureFixture) -> None:
    with closing(StateFile(None)) as state:
        save(state, FULL)
        assert state.locations() == [FULL]
        assert not state.is_kept
    assert warnings(caplog) == []


def sqlite_file(path: Path, *statements: str) -> bytes:
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)
    return path.read_bytes()


def garbage(path: Path) -> bytes:
    path.write_bytes(b"this is no database at all\n" * 300)
    return path.read_bytes()


def with_a_good_head(path: Path) -> bytes:
    with closing(StateFile(path.parent)) as state:
        save(state, FULL)
    content = path.read_bytes()
    path.write_bytes(content[:200] + b"\xff" * (len(content) - 200))
    return path.read_bytes()


def cut(path: Path) -> bytes:
    with closing(StateFile(path.parent)) as state:
        save(state, one_meter(*(Interval(at, at + 900, 1.0, 1) for at in range(0, 900 * 500, 900))), keep_from=-1)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path.read_bytes()


def newer(path: Path) -> bytes:
    return sqlite_file(path, "CREATE TABLE location (x)", "PRAGMA user_version = 999")


def without_tables(path: Path) -> bytes:
    return sqlite_file(path, "CREATE TABLE something (x)", "PRAGMA user_version = 1")


def with_other_columns(path: Path) -> bytes:
    tables = ("location", "meter", "interval", "period", "refused_sign_ins", "backfill_needed")
    return sqlite_file(path, *(f"CREATE TABLE {table} (x)" for table in tables), "PRAGMA user_version = 1")


def of_somebody_else(path: Path) -> bytes:
    return sqlite_file(path, "CREATE TABLE location (x)", "INSERT INTO location VALUES (1)")


DAMAGES = [
    garbage,
    with_a_good_head,
    cut,
    newer,
    without_tables,
    with_other_columns,
    of_somebody_else,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_set_aside_and_the_state_begins_anew(
    tmp_path: Path, open_state: OpenState, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], bytes]
) -> None:
    content = damage(tmp_path / FILE)
    caplog.clear()

    state = open_state()

    assert state.locations() == []
    assert state.backfill_needed() == {}
    assert state.rejected_sign_ins("one", "print") is None
    assert state.is_kept
    (aside,) = (path for path in tmp_path.iterdir() if path.name != FILE)
    assert aside.read_bytes() == content
    assert warnings(caplog) == [
        f"the state in {tmp_path / FILE} is damaged: set aside as {aside.name}, starting without it"
    ]
    save(state, FULL)
    assert open_state().locations() == [FULL]


def test_the_file_after_a_damaged_one_is_for_its_owner_alone_too(tmp_path: Path, open_state: OpenState) -> None:
    path = tmp_path / FILE
    garbage(path)
    path.chmod(0o600)
    before = os.umask(0o022)
    try:
        open_state()
    finally:
        os.umask(before)

    assert {oct(mode(each)) for each in tmp_path.iterdir()} == {"0o600"}


def test_what_was_set_aside_before_stays(tmp_path: Path, open_state: OpenState) -> None:
    for content in (b"first damage " * 100, b"second damage " * 100):
        (tmp_path / FILE).write_bytes(content)
        open_state()

    kept = {path.read_bytes()[:6] for path in tmp_path.iterdir() if path.name != FILE}
    assert kept == {b"first ", b"second"}


def test_an_empty_file_is_a_state_without_content(tmp_path: Path, open_state: OpenState) -> None:
    (tmp_path / FILE).touch()
    state = open_state()

    save(state, FULL)

    assert open_state().locations() == [FULL]
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


LOST = "after a restart the exporter starts empty and has forgotten refused sign-ins, corrections and what a backfill"
LOST += " did; give it a folder that it may write to with --state.dir"


def of_errno(number: int) -> str:
    return os.strerror(number)


def as_nobody(action: Callable[[], str]) -> str:
    """What a function says in a process without any privilege."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, action().encode())
        except BaseException as error:  # noqa: BLE001 - it must not go on as a second test run
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as answer:  # noqa: PTH123 - a pipe
        said = answer.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.iterdir()):
        path.chmod(0o700)
    shutil.rmtree(folder)


def use(folder: Path) -> str:
    """Open a state and use it; gives what was warned of, and whether it worked."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("exporter").addHandler(handler)
    with closing(StateFile(folder)) as state:
        before = state.locations()
        save(state, FULL)
        state.count_rejected_sign_in("one", "print", 1.0, "credentials")
        works = FULL in state.locations() and state.rejected_sign_ins("one", "print") is not None
        kept = state.is_kept
    logging.getLogger("exporter").removeHandler(handler)
    return f"{len(before)} known, works: {works}, kept: {kept}; {'|'.join(said)}"


def test_a_read_only_folder_is_gone_without(open_folder: Path) -> None:
    open_folder.chmod(0o555)

    assert as_nobody(lambda: use(open_folder)) == (
        f"0 known, works: True, kept: False; the state cannot be kept in {open_folder}"
        f" ({of_errno(errno.EACCES)}): {LOST}"
    )


def test_a_read_only_file_is_read_and_left_as_it_is(open_folder: Path) -> None:
    with closing(StateFile(open_folder)) as state:
        save(state, BARE)
    path = open_folder / FILE
    path.chmod(0o444)
    open_folder.chmod(0o555)
    content = path.read_bytes()

    assert as_nobody(lambda: use(open_folder)) == (
        f"1 known, works: True, kept: False; the state cannot be kept in {open_folder}"
        f" (attempt to write a readonly database): {LOST}"
    )
    assert path.read_bytes() == content
    assert [each.name for each in open_folder.iterdir()] == [FILE]


def test_a_file_that_may_not_be_read_is_gone_without(open_folder: Path) -> None:
    with closing(StateFile(open_folder)) as state:
        save(state, BARE)
    (open_folder / FILE).chmod(0o000)

    said = as_nobody(lambda: use(open_folder))

    assert said.startswith("0 known, works: True, kept: False; the state cannot be kept in ")


def test_a_folder_that_cannot_be_made_is_gone_without(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    folder = open_folder / "deeper"

    assert as_nobody(lambda: use(folder)) == (
        f"0 known, works: True, kept: False; the state cannot be kept in {folder} ({of_errno(errno.EACCES)}): {LOST}"
    )


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_place_of_the_folder_is_gone_without(tmp_path: Path, below: str) -> None:
    path = tmp_path / "taken"
    path.write_text("mine")
    folder = path / below if below else path

    said = use(folder)

    problem = of_errno(errno.ENOTDIR if below else errno.EEXIST)
    assert said == f"0 known, works: True, kept: False; the state cannot be kept in {folder} ({problem}): {LOST}"
    assert path.read_text() == "mine"


def test_a_folder_in_the_place_of_the_file_is_gone_without(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()

    assert use(tmp_path) == (
        f"0 known, works: True, kept: False; the state cannot be kept in {tmp_path}"
        f" (unable to open database file): {LOST}"
    )


def test_a_full_disk_costs_the_file_and_nothing_that_is_known(
    open_state: OpenState, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    state = open_state()
    save(state, BARE)
    pages = state._database.execute("PRAGMA page_count").fetchone()[0]
    state._database.execute(f"PRAGMA max_page_count = {pages}")
    many = one_meter(*(Interval(at, at + 900, 1.0, 1) for at in range(0, 900 * 3000, 900)))

    save(state, many, keep_from=-1)

    assert state.locations() == [BARE, many]
    assert not state.is_kept
    assert warnings(caplog) == [f"the state cannot be kept in {tmp_path} (database or disk is full): {LOST}"]
    assert open_state().locations() == [BARE]
    assert len(warnings(caplog)) == 1


def test_a_file_that_is_deleted_under_our_feet_does_no_harm(open_state: OpenState, tmp_path: Path) -> None:
    state = open_state()
    save(state, BARE)
    (tmp_path / FILE).unlink()

    save(state, FULL)

    assert state.locations() == [BARE, FULL]


def test_a_file_that_is_damaged_under_our_feet_does_no_harm(open_state: OpenState, tmp_path: Path) -> None:
    state = open_state()
    save(state, FULL)
    garbage(tmp_path / FILE)

    state.changed_elsewhere()
    state.rejected_sign_ins("one", "print")
    state.locations()
    save(state, BARE)

    assert BARE in state.locations()


def test_a_lock_of_another_process_is_waited_for(open_state: OpenState, tmp_path: Path) -> None:
    state = open_state()
    script = "import sqlite3, sys, time\n"
    script += "database = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    script += "database.execute('BEGIN EXCLUSIVE')\nprint('locked', flush=True)\ntime.sleep(0.2)\n"
    script += "database.execute('ROLLBACK')\n"
    command = [sys.executable, "-c", script, str(tmp_path / FILE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        save(state, FULL)

    assert state.is_kept
    assert open_state().locations() == [FULL]


def test_the_refusals_of_all_configurations_of_a_login_are_added(open_state: OpenState) -> None:
    state = open_state()
    assert state.all_rejected_sign_ins("one") is None
    state.count_rejected_sign_in("one", "late", 3000.5, "credentials")
    state.count_rejected_sign_in("one", "early", 1000.5, "two_factor")
    state.count_rejected_sign_in("one", "late", 2000.5, "two_factor")
    state.count_rejected_sign_in("one", "late", 4000.5, "credentials")
    state.count_rejected_sign_in("two", "late", 9000.5, "two_factor")

    # The reason is that of the newest refusal.
    assert open_state().all_rejected_sign_ins("one") == RejectedSignIns(4, 4000.5, "credentials")
    assert open_state().all_rejected_sign_ins("two") == RejectedSignIns(1, 9000.5, "two_factor")
    open_state().forget_rejected_sign_ins("one")
    assert open_state().all_rejected_sign_ins("one") is None
    assert open_state().all_rejected_sign_ins("two") is not None
