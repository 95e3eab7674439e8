"""The portal's units of energy and volume (docs/portal.md, "Water and gas")."""

from ..intervals.industries import CCF, ELECTRIC, GALLONS, GAS, KWH, THERMS, WATER

_UNITS = {
    ELECTRIC: {"KWH": (KWH, 1.0), "": (KWH, 1.0)},
    WATER: {
        "GAL": (GALLONS, 1.0),
        "KGAL": (GALLONS, 1000.0),
        "FT3": (GALLONS, 7.480519),
        "CCF": (GALLONS, 748.0519),
    },
    GAS: {
        "CCF": (CCF, 1.0),
        "FT3": (CCF, 0.01),
        "MCF": (CCF, 10.0),
        "THERM": (THERMS, 1.0),
        "THERMS": (THERMS, 1.0),
    },
}
"""Our unit, and how many of it are one of the portal's; energy without a unit is kWh."""


def conversion(industry: str, unit: str) -> tuple[str, float] | None:
    """Return our unit for one of the portal's, and its size in ours; None if the unit is not known."""
    return _UNITS[industry].get(unit)


def known_units(industry: str) -> str:
    """List the portal's units of an industry, for messages."""
    return ", ".join(sorted(filter(None, _UNITS[industry])))
