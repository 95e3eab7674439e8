from collections.abc import Iterator

import pytest

from ..support.fake_influxdb import Influx


@pytest.fixture
def influx() -> Iterator[Influx]:
    with Influx() as running:
        yield running
