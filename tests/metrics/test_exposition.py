"""The lines of a series."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.exposition import Format, sample_lines
from exporter.metrics.families import METER_VALUES, Samples, Series

YEARS = (1_100_000_000_000, 2_147_000_000_000)
"""2004 to 2037 in ms: outside them, seconds as a double do not distinguish all milliseconds."""


@given(stamp=st.integers(*YEARS))
def test_an_openmetrics_timestamp_can_be_truncated_to_ms(stamp: int) -> None:
    family = METER_VALUES[0].family
    series = Series(family, dict.fromkeys(family.labels, ""), Samples([stamp], [1.0]))
    (line,) = sample_lines(series, Format.OPENMETRICS)
    assert int(float(line.split()[-1]) * 1000) == stamp
