"""The simulated co-op as a whole, by default with the homes of the demo."""

from dataclasses import dataclass

from .demo_homes import DEMO_HOMES
from .specs import LocationSpec, UserSpec


@dataclass(frozen=True, slots=True)
class World:
    """A co-op with its own name, logins and service locations. `zone` is its IANA time zone."""

    zone: str = "America/New_York"
    users: tuple[UserSpec, ...] = (UserSpec(),)
    locations: tuple[LocationSpec, ...] = DEMO_HOMES
    name: str = "Piedmont Simulated Electric"
