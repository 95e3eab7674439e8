"""The homes of the demo, which are also the default of a simulated co-op."""

from .household import Household
from .specs import Channels, LocationSpec, MeterSpec

DEMO_HOMES = (
    LocationSpec("55001", "70001", (MeterSpec("81001", Household(1), periods=True),), nickname="House"),
    LocationSpec(
        "55001",
        "70002",
        (MeterSpec("81002", Household(2, people=1.3, heating=2.2, solar=6.5), channels=Channels.THREE),),
        nickname="Solar house",
    ),
    LocationSpec(
        "55002",
        "70003",
        (MeterSpec("81003", Household(3, idle=0.1, people=0.2, heating=0.8, cooling=0.3), step=3600, cost=False),),
        nickname="Barn",
    ),
    LocationSpec("55003", "70004", (), nickname="Old flat", inactive=True),
    LocationSpec("55002", "70005", (), nickname="Well", industries=("WATER",), service_code="WATER"),
)
"""A house with rate periods, a solar house, and a barn with hourly data and no cost.

The exporter must skip the other two: a closed account, and a well without electricity.
"""
