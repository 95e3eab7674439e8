"""Files that root creates in a directory of another user."""

import os
from pathlib import Path

import pytest

from exporter.errors import Reason
from exporter.storage.owners import create, give_away, how_to_allow
from exporter.storage.sign_ins import SentSignIn
from exporter.storage.state import StateFile

SERVICE = (12345, 23456)


def owner(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return the owners that files get while this process is root and the directory another user's."""
    owners: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _, user, group: owners.append((user, group)))
    found = [*tmp_path.stat()]
    found[4:6] = SERVICE
    monkeypatch.setattr(Path, "stat", lambda *_, **__: os.stat_result(found))
    return owners


def test_files_of_root_belong_to_the_owner_of_the_directory(tmp_path: Path, given: list[tuple[int, int]]) -> None:
    os.close(create(tmp_path / "file"))
    assert given == [SERVICE]


def test_linked_files_keep_their_owner(tmp_path: Path, given: list[tuple[int, int]]) -> None:
    (tmp_path / "file").touch()
    os.link(tmp_path / "file", tmp_path / "other")
    with (tmp_path / "file").open() as file:
        give_away(file.fileno(), tmp_path)
    assert given == []


def test_other_users_give_nothing_away(
    tmp_path: Path, given: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    os.close(create(tmp_path / "file"))
    assert given == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_leaves_the_whole_state_to_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, *SERVICE)
    for name in ("sign-ins", "state.db"):
        (folder / name).write_bytes(b"garbage" * 100)

    state = StateFile(folder)
    for at in (1.0, 2.0):
        state.sign_ins.add(SentSignIn("account", "secret", at, Reason.CREDENTIALS))
    with state.sign_ins.turn("account"):
        pass
    state.close()

    others = {path.name for path in folder.iterdir() if owner(path) != SERVICE}
    assert {name for name in others if ".damaged-" not in name} == set()


def test_advice_is_about_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "chown" not in how_to_allow(tmp_path, tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert f"chown -R 4321:{os.getegid()} {tmp_path}" in how_to_allow(tmp_path, tmp_path)
