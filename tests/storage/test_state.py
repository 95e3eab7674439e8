"""The state file: restarts, kills during a write, and files that cannot be used."""

import errno
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo
from exporter.storage.location_entries import changes_of
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
        Meter.of(
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
        Meter.of(MeterInfo("0081002", step=86400), (Interval(NOW - 2 * DAY, NOW - DAY, 5.0, 7),)),
        Meter.of(MeterInfo("empty")),
    ),
)
BARE = Location(BARN)


@pytest.fixture
def open_state(tmp_path: Path) -> Iterator[OpenState]:
    with ExitStack() as stack:

        def start() -> StateFile:
            return stack.enter_context(closing(StateFile(tmp_path)))

        yield start


def save(
    state: StateFile,
    location: Location,
    before: Location | None = None,
    *,
    replaces_all: bool = False,
    needed_days: tuple[int, ...] = (),
    keep_from: int = 0,
) -> None:
    state.save(before, location, replaces_all=replaces_all, needed_days=needed_days, keep_from=keep_from)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name != "exporter.storage.sign_ins"
    ]


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in others(folder)}


def others(folder: Path) -> list[Path]:
    """Return the files of a folder, without those of the sign-ins."""
    return [path for path in folder.iterdir() if not path.name.startswith("sign-ins")]


def one_meter(*intervals: Interval, days: tuple[Interval, ...] = (), number: str = "81001") -> Location:
    return Location(HOUSE, "House", "UTC", (Meter.of(MeterInfo(number), intervals, days),))


# -- what is restored


def test_everything_is_restored_unchanged(open_state: OpenState) -> None:
    state = open_state()
    save(state, FULL)
    save(state, BARE)

    assert open_state().locations() == [BARE, FULL]


def test_only_changes_are_written(open_state: OpenState) -> None:
    state = open_state()
    first, second = (Interval(at, at + 900, 1.0, 1, periods=(("On", 1.0, 1),)) for at in (0, DAY))
    save(state, before := one_meter(first, second, days=(Interval(0, DAY, 3.0, 1),)))
    later = Interval(0, 900, 1.5, 2, 0.0, 2, 0.1, 2, (("Off", 1.5, 2), ("On", 0.0, 2)))
    info = MeterInfo("81001", ("NET",), parent=True, net=True, exports=True, signed=False, step=3600)
    after = Location(HOUSE, "Farm", "UTC", (Meter.of(info, (later, second), (Interval(0, DAY, 4.0, 2),)),))

    save(state, after, before)

    assert open_state().locations() == [after]
    written = changes_of(after, replace(after, meters=(Meter.of(info, (later,)),)))
    assert {key.kind: data for key, data in written.items()} == {"intervals": None, "days": None}


def test_what_is_no_longer_known_is_deleted(open_state: OpenState) -> None:
    state = open_state()
    first, second, next_day = (Interval(at, at + 900, 1.0, 1) for at in (0, 900, DAY))
    save(state, before := one_meter(first, second, next_day, days=(Interval(0, DAY, 3.0, 1),)))

    save(state, after := one_meter(second), before)
    assert open_state().locations() == [after]

    save(state, other := one_meter(second, number="new"), after)
    assert open_state().locations() == [other]


def test_intervals_of_unread_locations_are_deleted_later(open_state: OpenState) -> None:
    state = open_state()
    start = NOW // DAY * DAY
    save(state, known := one_meter(Interval(start, start + 900, 1.0, 1)))

    for days, expected in ((29, known), (31, one_meter())):
        save(open_state(), BARE, keep_from=start + days * DAY)
        assert open_state().locations() == [BARE, expected]


def test_the_oldest_needed_day_of_each_location_is_restored(open_state: OpenState) -> None:
    state = open_state()
    assert state.backfill_needed() == {}
    save(state, one_meter(), needed_days=(5 * DAY, 3 * DAY))
    save(state, one_meter(), needed_days=(3 * DAY, 4 * DAY))
    save(state, BARE, needed_days=(9 * DAY,))
    assert open_state().backfill_needed() == {HOUSE: 3 * DAY, BARN: 9 * DAY}

    state.backfilled(HOUSE, 3 * DAY, 5 * DAY)
    assert open_state().backfill_needed() == {HOUSE: 5 * DAY, BARN: 9 * DAY}


def test_a_location_is_replaced_with_all_that_is_stored(open_state: OpenState) -> None:
    state = open_state()
    save(state, FULL, needed_days=(3 * DAY,))
    save(state, BARE, needed_days=(9 * DAY,))

    save(state, one_meter(), replaces_all=True, needed_days=(4 * DAY,))

    assert open_state().locations() == [BARE, one_meter()]
    assert open_state().backfill_needed() == {HOUSE: 4 * DAY, BARN: 9 * DAY}


def test_contradicted_zones_are_kept_by_login_and_zone(open_state: OpenState) -> None:
    state = open_state()
    state.note_contradiction("novec", "farm", "America/Chicago", ["America/New_York", "Etc/GMT+5"])
    assert open_state().contradicted_by("novec", "farm", "America/Chicago") == ("America/New_York", "Etc/GMT+5")
    for other in (("pec", "farm", "America/Chicago"), ("novec", "barn", "America/Chicago"), ("novec", "farm", "UTC")):
        assert state.contradicted_by(*other) == ()
    state.note_contradiction("novec", "farm", "America/Chicago", ())
    assert open_state().contradicted_by("novec", "farm", "America/Chicago") == ()


@pytest.mark.parametrize("wrong", [one_meter(Interval(2**33, 2**33 + 900, 1.0, 1)), one_meter(number="\ud800")])
def test_what_cannot_be_stored_changes_nothing(open_state: OpenState, wrong: Location) -> None:
    state = open_state()
    save(state, BARE)

    with pytest.raises((OverflowError, UnicodeEncodeError)):
        save(state, wrong)

    save(state, FULL)
    assert open_state().locations() == state.locations() == [BARE, FULL]


# -- several processes


def test_only_writes_of_other_processes_are_noticed(open_state: OpenState) -> None:
    ours, theirs = open_state(), open_state()
    save(ours, BARE)
    assert not ours.changed_elsewhere()

    save(theirs, FULL)

    assert ours.changed_elsewhere()
    assert not ours.changed_elsewhere()
    assert ours.locations() == [BARE, FULL]


# -- killed

WRITER = """
import sys
from pathlib import Path
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo
from exporter.storage.state import StateFile

state = StateFile(Path(sys.argv[1]))
for turn in range(1, 100_000):
    intervals = tuple(Interval(at, at + 900, float(turn), turn % 999) for at in range(0, 900 * 3000, 900))
    location = Location(LocationKey("novec", "1", "2"), "", "", (Meter.of(MeterInfo("3"), intervals),))
    state.save(None, location, needed_days=(turn,))
    print(turn, flush=True)
"""


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("delay", [0.0, 0.004, 0.012])
def test_a_kill_during_a_write_leaves_it_done_or_not_done(
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
    save(state, FULL)
    assert len(open_state().locations()) == 2
    assert warnings(caplog) == []


# -- the file itself


def test_a_missing_directory_is_created_for_the_owner_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "a" / "b"
    before = os.umask(0o022)
    try:
        with closing(StateFile(folder)) as state:
            save(state, FULL)
            assert state.is_kept
    finally:
        os.umask(before)

    assert modes(folder) == {FILE: "0o600"}
    assert modes(folder.parent) == {"b": "0o700"}
    with closing(StateFile(folder)) as state:
        assert state.locations() == [FULL]
    assert warnings(caplog) == []


def test_without_a_directory_the_state_is_in_memory(caplog: pytest.LogCaptureFixture) -> None:
    with closing(StateFile(None)) as state:
        save(state, FULL)
        assert state.locations() == [FULL]
        assert not state.is_kept
    assert warnings(caplog) == []


def garbage(path: Path) -> bytes:
    path.write_bytes(b"this is not a database\n" * 300)
    return path.read_bytes()


def with_a_good_header(path: Path) -> bytes:
    with closing(StateFile(path.parent)) as state:
        save(state, FULL)
    content = path.read_bytes()
    path.write_bytes(content[:200] + b"\xff" * (len(content) - 200))
    return path.read_bytes()


def made_by(statement: str) -> Callable[[Path], bytes]:
    def damage(path: Path) -> bytes:
        with closing(sqlite3.connect(path)) as database:
            database.execute(statement)
        return path.read_bytes()

    return damage


DAMAGES = [
    pytest.param(garbage, id="not a database"),
    pytest.param(with_a_good_header, id="only a good header"),
    pytest.param(made_by("CREATE TABLE location (x)"), id="other columns"),
    pytest.param(made_by("CREATE TABLE something (x)"), id="another table"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_for_a_fresh_one(
    tmp_path: Path, open_state: OpenState, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], bytes]
) -> None:
    content = damage(tmp_path / FILE)
    (tmp_path / FILE).chmod(0o600)
    caplog.clear()

    state = open_state()

    assert state.locations() == []
    assert state.backfill_needed() == {}
    assert state.is_kept
    (aside,) = (path for path in others(tmp_path) if path.name != FILE)
    assert aside.read_bytes() == content
    assert warnings(caplog) == [
        f"the state file {tmp_path / FILE} is damaged; renamed it to {aside.name} and starting fresh"
    ]
    save(state, FULL)
    assert open_state().locations() == [FULL]
    assert modes(tmp_path) == {FILE: "0o600", aside.name: "0o600"}

    garbage(tmp_path / FILE)
    open_state()
    assert aside.read_bytes() == content


def read_only_folder(folder: Path) -> Path:
    folder.chmod(0o555)
    return folder


def read_only_file(folder: Path) -> Path:
    with closing(StateFile(folder)) as state:
        save(state, BARE)
    (folder / FILE).chmod(0o444)
    return read_only_folder(folder)


def unreadable_file(folder: Path) -> Path:
    read_only_file(folder)
    (folder / FILE).chmod(0o000)
    return folder


def file_as_folder(folder: Path) -> Path:
    (folder / "taken").touch()
    return folder / "taken"


def folder_as_file(folder: Path) -> Path:
    (folder / FILE).mkdir()
    return folder


@pytest.mark.parametrize(
    ("unusable", "known", "problem"),
    [
        (read_only_folder, 0, os.strerror(errno.EACCES)),
        (lambda folder: read_only_folder(folder) / "deeper", 0, os.strerror(errno.EACCES)),
        (read_only_file, 1, "attempt to write a readonly database"),
        (unreadable_file, 0, "unable to open database file"),
        (file_as_folder, 0, os.strerror(errno.EEXIST)),
        (lambda folder: file_as_folder(folder) / "deeper", 0, os.strerror(errno.ENOTDIR)),
        (folder_as_file, 0, os.strerror(errno.EACCES)),
    ],
)
def test_without_a_usable_file_the_state_is_in_memory(
    unusable: Callable[[Path], Path], known: int, problem: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        place = unusable(folder)
        before = [(path, path.stat().st_mtime_ns) for path in folder.iterdir()]

        assert as_nobody(lambda: use(place)) == f"{known} known, works: True, kept: False ({problem})"

        assert [(path, path.stat().st_mtime_ns) for path in folder.iterdir()] == before
        folder.chmod(0o700)


def as_nobody(action: Callable[[], str]) -> str:
    """Return the result of a function in a process without privileges."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, action().encode())
        except BaseException as error:  # noqa: BLE001 - it must not continue as a second test run
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as answer:  # noqa: PTH123 - a pipe
        said = answer.read()
    os.waitpid(child, 0)
    return said


def use(folder: Path) -> str:
    """Open a state and use it; return whether it worked, and the warnings."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(str(record.args[1]))  # type: ignore[method-assign,index]
    logging.getLogger("exporter.storage.database").addHandler(handler)
    with closing(StateFile(folder)) as state:
        before = state.locations()
        save(state, FULL)
        works = FULL in state.locations()
        return f"{len(before)} known, works: {works}, kept: {state.is_kept} ({'|'.join(said)})"


@pytest.mark.parametrize("harm", [Path.unlink, garbage], ids=["deleted", "damaged"])
def test_a_file_that_is_harmed_while_open_does_no_harm(
    open_state: OpenState, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    state = open_state()
    save(state, FULL)
    harm(tmp_path / FILE)

    state.changed_elsewhere()
    state.locations()
    save(state, BARE)

    assert BARE in state.locations()
