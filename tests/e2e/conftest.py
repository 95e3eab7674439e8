from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.services import Services

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Start databases and scrapers and end them with the test, even if it fails."""
    with Services(tmp_path) as started:
        yield started
