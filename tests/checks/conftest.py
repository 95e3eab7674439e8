from collections.abc import Iterator

import pytest

from ..support.fake_database import Database, running_database


@pytest.fixture
def database() -> Iterator[Database]:
    with running_database() as running:
        yield running
