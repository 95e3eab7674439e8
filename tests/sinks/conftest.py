from collections.abc import Iterator

import pytest

from ..support.fake_influxdb import Influx, running_influx


@pytest.fixture
def influx() -> Iterator[Influx]:
    with running_influx() as running:
        yield running
