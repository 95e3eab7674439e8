"""Who is there: logins, accounts, service locations and meters of the simulated co-op."""

from dataclasses import dataclass

from .demo_homes import DEMO_HOMES
from .specs import LocationSpec, UserSpec


@dataclass(frozen=True, slots=True)
class World:
    """A co-op and its members. `zone` is its IANA time zone."""

    zone: str = "America/New_York"
    users: tuple[UserSpec, ...] = (UserSpec(),)
    locations: tuple[LocationSpec, ...] = DEMO_HOMES
