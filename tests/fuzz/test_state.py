"""State files with flipped bits: each value is true or absent, and the exporter always starts."""

import shutil
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from exporter.storage.state import FILE

from ..support.clocks import ManualClock
from ..support.exporter import Exporter
from ..support.portal import StartPortal, login_of
from ..support.truth import expected
from ..support.worlds import DAY, NOW, TWO
from .pages import shown, wrong_values
from .rounds import rounds

pytestmark = pytest.mark.slow

WINDOW = 7 * DAY


def damage(path: Path, random: Random) -> None:
    """Flip bits of a file, zero a part of it, or cut it off."""
    data = bytearray(path.read_bytes())
    kind = random.randrange(6)
    if kind == 0:
        del data[random.randrange(len(data)) :]
    elif kind == 1:
        start = random.randrange(len(data))
        data[start : start + random.choice((16, 512, 4096))] = bytes(len(data[start : start + 16]))
    else:
        for _ in range(random.choice((1, 2, 20))):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def test_damaged_state_files_make_no_wrong_values(
    start_portal: StartPortal, clock: ManualClock, tmp_path: Path
) -> None:
    server = start_portal(TWO, history=9)
    login = login_of(server)
    whole, folder = tmp_path / "whole", tmp_path / "damaged"
    with closing(Exporter(clock, login, window=WINDOW, folder=whole)) as exporter:
        exporter.refresh()
        assert shown(exporter, clock, WINDOW)
    truth = expected(server.portal, login.portal.label, NOW - 40 * DAY, NOW)
    for random in rounds(60):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        damage(folder / random.choice((FILE, FILE, FILE, "sign-ins")), random)
        with closing(Exporter(clock, login, window=WINDOW, folder=folder)) as exporter:
            wrong = list(wrong_values(shown(exporter, clock, WINDOW), truth))
        assert not wrong, wrong[:5]
