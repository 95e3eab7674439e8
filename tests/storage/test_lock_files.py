"""Locks that processes share: who waits, and files that are not lock files."""

import fcntl
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.storage.lock_files import LockFiles


def lock_file(folder: Path) -> Path:
    return folder / "name.lock"


def is_free(folder: Path) -> bool:
    """Check whether another process could take the lock."""
    with lock_file(folder).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_a_lock_is_held_until_the_end(tmp_path: Path) -> None:
    with LockFiles().hold("name", tmp_path):
        assert not is_free(tmp_path)
    assert is_free(tmp_path)


def test_threads_of_a_process_take_turns(tmp_path: Path) -> None:
    locks, order = LockFiles(), []

    def second() -> None:
        with locks.hold("name", tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    with locks.hold("name", tmp_path):
        thread.start()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_only_the_owner_can_read_a_lock_file(tmp_path: Path) -> None:
    lock_file(tmp_path).touch(mode=0o644)
    before = os.umask(0)
    try:
        with LockFiles().hold("name", tmp_path), LockFiles().hold("other", tmp_path):
            modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o600}


def link(path: Path) -> None:
    path.symlink_to(path.with_name("target"))


@pytest.mark.parametrize("make", [link, os.mkfifo, Path.mkdir], ids=["link", "pipe", "directory"])
def test_other_files_are_not_opened(
    tmp_path: Path, make: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    make(lock_file(tmp_path))

    with LockFiles().hold("name", tmp_path):
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["name.lock"]
    (record,) = caplog.records
    assert record.getMessage().startswith(f"cannot lock name in {tmp_path} (")
