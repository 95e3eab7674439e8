"""The file of sign-ins: restarts, damage of every kind, earlier versions, and directories that cannot be written."""

import errno
import hashlib
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from exporter.errors import Reason
from exporter.storage.sign_ins import ACCEPTED, ANY_ACCOUNT, FILE, UNCOUNTED, SentSignIn, SignInFile
from exporter.storage.state import FILE as STATE

ONE, TWO = (SentSignIn("account", "secret", at, Reason.CREDENTIALS, 30.0) for at in (1000.5, 2000.0))
OTHER = SentSignIn("other", "secret", 3000.0, ACCEPTED)


def filled(folder: Path, *sign_ins: SentSignIn) -> SignInFile:
    file = SignInFile(folder)
    for each in sign_ins:
        file.add(each)
    return file


def doubts(file: SignInFile) -> int:
    return sum(each.account == ANY_ACCOUNT for each in file.read())


def asides(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob(f"{FILE}.damaged-*"))]


def test_sign_ins_survive_a_restart_in_a_private_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        filled(tmp_path / "a" / "b", ONE, OTHER, TWO)
    finally:
        os.umask(before)

    again = SignInFile(tmp_path / "a" / "b")
    assert again.read() == [ONE, OTHER, TWO]
    assert again.is_saved
    assert oct((tmp_path / "a" / "b" / FILE).stat().st_mode)[-3:] == "600"
    assert asides(tmp_path / "a" / "b") == []


def test_processes_see_each_others_changes(tmp_path: Path) -> None:
    ours, theirs = filled(tmp_path, ONE), SignInFile(tmp_path)
    theirs.add(TWO)
    assert ours.read() == [ONE, TWO]

    ours.change(lambda known: [replace(each, outcome=UNCOUNTED) for each in known if each == TWO])

    assert theirs.read() == [replace(TWO, outcome=UNCOUNTED)]


# -- damage

PREVIOUS = f"{FILE}.previous"


def flip(content: bytes) -> bytes:
    where = content.index(b"1000.5")
    return content[:where] + b"2" + content[where + 1 :]


@pytest.mark.parametrize(
    ("damage", "readable"),
    [
        (flip, [TWO]),
        (lambda content: content[:-1], [ONE]),
        (lambda content: content[: content.index(b"\n") + 1], []),
        (lambda content: content.replace(b"account", b"\xff\x00unt", 1), [TWO]),
    ],
    ids=["a digit", "last byte", "all but the header", "no text"],
)
def test_each_damaged_line_counts_as_a_rejected_sign_in(
    tmp_path: Path, damage: Callable[[bytes], bytes], readable: list[SentSignIn]
) -> None:
    filled(tmp_path, ONE, TWO)
    damaged = damage((tmp_path / FILE).read_bytes())
    (tmp_path / FILE).write_bytes(damaged)
    (tmp_path / PREVIOUS).unlink()

    file = SignInFile(tmp_path)

    assert [each for each in file.read() if each.account != ANY_ACCOUNT] == readable
    assert doubts(file) == 2 - len(readable)
    assert asides(tmp_path) == [damaged]
    assert SignInFile(tmp_path).read() == file.read()


def newer(path: Path) -> None:
    """Write what a later version may have written, with valid checksums."""
    text = b'{"format": 2, "sign_ins": 0}'
    path.write_bytes(hashlib.sha256(text).hexdigest()[:16].encode() + b" " + text + b"\n")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))


HARMS = pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"garbage\n" * 500),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\0" * 5_000_000),
        newer,
        pipe,
        directory,
        link,
        Path.unlink,
    ],
    ids=["garbage", "empty", "huge", "newer", "pipe", "directory", "link", "lost"],
)


@HARMS
def test_lost_file_costs_the_last_change_at_most(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    filled(tmp_path, ONE, TWO)
    harm(tmp_path / FILE)

    file = SignInFile(tmp_path)

    assert [each for each in file.read() if each.account != ANY_ACCOUNT] == [ONE]
    assert doubts(file) == 1


@HARMS
def test_lost_previous_version_costs_nothing(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    filled(tmp_path, ONE, TWO)
    harm(tmp_path / PREVIOUS)

    assert SignInFile(tmp_path).read() == [ONE, TWO]


@HARMS
def test_without_a_readable_version_one_sign_in_is_left(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    filled(tmp_path, ONE, TWO)
    (tmp_path / STATE).touch()
    harm(tmp_path / FILE)
    harm(tmp_path / PREVIOUS)

    assert doubts(SignInFile(tmp_path)) == 3
    assert doubts(SignInFile(tmp_path)) == 3

    harm(tmp_path / FILE)
    (tmp_path / PREVIOUS).unlink(missing_ok=True)
    assert doubts(SignInFile(tmp_path)) == 4


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"garbage")], ids=["lost", "damaged"])
def test_running_process_remembers_what_the_files_lost(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    file = filled(tmp_path, ONE, TWO)
    harm(tmp_path / FILE)
    harm(tmp_path / PREVIOUS)

    assert file.read()[:2] == [ONE, TWO]
    assert SignInFile(tmp_path).read() == file.read()
    assert doubts(file) == 3


def test_no_harm_raises_or_lowers_the_count(tmp_path: Path) -> None:
    random = Random(1)
    filled(tmp_path, *(replace(ONE, id=str(number)) for number in range(4)))
    whole, previous = (tmp_path / FILE).read_bytes(), (tmp_path / PREVIOUS).read_bytes()
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(random.choice((1, 2, 30))):
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        (tmp_path / FILE).write_bytes(content[: random.choice((None, None, random.randrange(len(whole))))])
        (tmp_path / PREVIOUS).write_bytes(previous)
        assert len(SignInFile(tmp_path).read()) >= 4
        for path in tmp_path.glob(f"{FILE}.damaged-*"):
            path.unlink()


# -- earlier versions

OLD_TABLE = (
    "CREATE TABLE refused_sign_ins (login TEXT NOT NULL, fingerprint TEXT NOT NULL, count INTEGER NOT NULL, last REAL"
    " NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (login, fingerprint)) WITHOUT ROWID"
)


def old_state(folder: Path, *rows: tuple[object, ...]) -> None:
    with closing(sqlite3.connect(folder / STATE)) as database, database:
        database.execute(OLD_TABLE)
        database.executemany("INSERT INTO refused_sign_ins VALUES (?, ?, ?, ?, ?)", rows)


def test_earlier_versions_kept_them_in_the_state(tmp_path: Path) -> None:
    old_state(tmp_path, ("a", "x", 2, 1000.5, "credentials"), ("b", "y", 1, 2000.0, "two_factor"))

    sign_ins = SignInFile(tmp_path).read()

    assert [(each.account, each.secret, each.at, each.outcome) for each in sign_ins] == [
        ("a", "x", 1000.5, "credentials"),
        ("a", "x", 1000.5, "credentials"),
        ("b", "y", 2000.0, "two_factor"),
    ]
    assert SignInFile(tmp_path).read() == sign_ins


@pytest.mark.parametrize(
    "bad", [("b", "y", "two", 1.0, "credentials"), ("b", "y", 1, 1.0, "nonsense"), ("b", b"\xff", 1, -1.0, "")]
)
def test_damaged_row_of_an_earlier_version_is_in_doubt(tmp_path: Path, bad: tuple[object, ...]) -> None:
    old_state(tmp_path, ("a", "x", 1, 1000.5, "credentials"), bad)

    file = SignInFile(tmp_path)

    assert file.read()[0].account == "a"
    assert doubts(file) == 3


# -- directories that cannot be written


@pytest.mark.parametrize("blocked", ["folder", "file"])
def test_what_cannot_be_saved_is_kept_and_saved_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, blocked: str
) -> None:
    folder = tmp_path / "state"
    if blocked == "folder":
        folder.write_bytes(b"")
    else:
        (folder / f"{FILE}.new").mkdir(parents=True)

    file = filled(folder, ONE)

    assert (file.read(), file.is_saved, file.has_unsaved(ONE.account)) == ([ONE], False, True)
    assert not file.has_unsaved("another")
    (warning,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert warning.getMessage().startswith(f"cannot save rejected sign-ins in {folder} (")

    folder.unlink() if blocked == "folder" else (folder / f"{FILE}.new").rmdir()
    assert not file.has_unsaved(ONE.account)
    assert SignInFile(folder).read() == [ONE]


def test_target_of_a_link_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path, OTHER)
    (tmp_path / FILE).rename(tmp_path / "elsewhere")
    content = (tmp_path / "elsewhere").read_bytes()
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")

    file = filled(tmp_path, ONE)

    assert doubts(file) == 1
    assert file.is_saved
    assert not (tmp_path / FILE).is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == content


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path | None], None]:
    """Return a function that makes one file unreadable, as if it were another user's; None ends it."""
    opened = os.open
    forbidden: list[Path | None] = [None]

    def checked(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if Path(path) == forbidden[0]:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", checked)
    return lambda path: forbidden.__setitem__(0, path)


def test_unreadable_file_decides_nothing_until_it_can_be_read(
    tmp_path: Path, forbid: Callable[[Path | None], None]
) -> None:
    filled(tmp_path, ONE, TWO)
    forbid(tmp_path / FILE)

    file = SignInFile(tmp_path)
    assert (file.read(), file.is_saved) == ([], False)
    assert str(tmp_path / FILE) in file.unreadable
    assert asides(tmp_path) == []

    forbid(None)
    assert (file.read(), file.unreadable, file.is_saved) == ([ONE, TWO], "", True)


def test_unreadable_file_that_is_lost_then_is_in_doubt(tmp_path: Path, forbid: Callable[[Path | None], None]) -> None:
    filled(tmp_path, ONE, TWO)
    forbid(tmp_path / FILE)
    file = SignInFile(tmp_path)

    (tmp_path / FILE).unlink()
    forbid(None)

    assert file.read()[0] == ONE
    assert doubts(file) == 1
    assert not file.unreadable


def test_unreadable_previous_version_counts_once_it_is_needed(
    tmp_path: Path, forbid: Callable[[Path | None], None]
) -> None:
    filled(tmp_path, ONE, TWO)
    forbid(tmp_path / PREVIOUS)
    assert SignInFile(tmp_path).read() == [ONE, TWO]

    (tmp_path / FILE).write_bytes(b"garbage")
    assert SignInFile(tmp_path).unreadable


def test_without_a_directory_nothing_is_saved() -> None:
    assert filled(None, ONE).has_unsaved(ONE.account)  # type: ignore[arg-type]
