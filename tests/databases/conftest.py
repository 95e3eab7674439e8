from collections.abc import Iterator

import pytest

from ..support.fake_database import Database


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as running:
        yield running
