"""What a meter can measure, and the units in which it is kept and served."""

ELECTRIC, WATER, GAS = INDUSTRIES = ("electric", "water", "gas")
"""The industries whose meters are read, in the order in which they are asked for."""

KWH, GALLONS, CCF, THERMS = "kWh", "gallons", "ccf", "therms"

UNITS = {ELECTRIC: (KWH,), WATER: (GALLONS,), GAS: (CCF, THERMS)}
"""The units of each industry. Therms are energy, so they are never converted to ccf, which is volume."""
