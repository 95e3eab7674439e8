"""The portal's units of energy and volume in ours."""

import pytest

from exporter.intervals.industries import CCF, ELECTRIC, GALLONS, GAS, INDUSTRIES, KWH, THERMS, UNITS, WATER
from exporter.portal.units import conversion, known_units


@pytest.mark.parametrize(
    ("industry", "word", "expected"),
    [
        (ELECTRIC, "KWH", (KWH, 1.0)),
        (ELECTRIC, "", (KWH, 1.0)),
        (ELECTRIC, "MWH", None),
        (WATER, "GAL", (GALLONS, 1.0)),
        (WATER, "KGAL", (GALLONS, 1000.0)),
        (WATER, "FT3", (GALLONS, 7.480519)),
        (WATER, "CCF", (GALLONS, 748.0519)),
        (WATER, "", None),
        (GAS, "CCF", (CCF, 1.0)),
        (GAS, "FT3", (CCF, 0.01)),
        (GAS, "MCF", (CCF, 10.0)),
        (GAS, "THERM", (THERMS, 1.0)),
        (GAS, "THERMS", (THERMS, 1.0)),
        (GAS, "GAL", None),
    ],
)
def test_each_unit_has_its_size(industry: str, word: str, expected: tuple[str, float] | None) -> None:
    assert conversion(industry, word) == expected


@pytest.mark.parametrize("industry", INDUSTRIES)
def test_messages_list_only_units_that_are_read(industry: str) -> None:
    for word in known_units(industry).split(", "):
        found = conversion(industry, word)
        assert found is not None
        assert found[0] in UNITS[industry]
