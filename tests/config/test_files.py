import os
from pathlib import Path

import pytest

from exporter.config.files import default_state_folder, expand, home_folder, read_file


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_STATE_HOME": "/var/state", "HOME": "/home/member"}, "/var/state/smarthub-exporter"),
        ({"XDG_STATE_HOME": "state", "HOME": "/home/member"}, "/home/member/.local/state/smarthub-exporter"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/member"}, "/home/member/.local/state/smarthub-exporter"),
        ({"HOME": "/"}, "/.local/state/smarthub-exporter"),
    ],
)
def test_state_goes_where_the_xdg_standard_says(environ: dict[str, str], folder: str) -> None:
    assert default_state_folder(environ) == Path(folder)


def test_home_is_from_the_account_or_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/of-account"))
    assert home_folder({}) == Path("/home/of-account")
    monkeypatch.setattr(Path, "home", no_home)
    assert home_folder({"HOME": ""}) == tmp_path


@pytest.mark.parametrize(
    ("text", "path"),
    [("x", "/etc/app/x"), ("/x", "/x"), ("~", "/home/member"), ("~/x", "/home/member/x"), ("~x", "/etc/app/~x")],
)
def test_paths_are_relative_to_their_folder_or_home(text: str, path: str) -> None:
    assert expand(text, folder=Path("/etc/app"), home=Path("/home/member")) == Path(path)


@pytest.mark.parametrize(
    ("mode", "is_ours", "is_public"),
    [(0o600, True, False), (0o640, True, False), (0o644, True, True), (0o604, True, True), (0o644, False, True)],
)
def test_our_own_world_readable_file_is_exposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, *, is_ours: bool, is_public: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    path.chmod(mode)
    user = os.geteuid() + (0 if is_ours else 1)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    content = read_file(path)
    assert (content.is_public, content.is_exposed) == (is_public, is_public and is_ours)


def test_a_device_is_not_exposed() -> None:
    assert not read_file(Path("/dev/null")).is_public
