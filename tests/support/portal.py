"""Logins and switches of a simulated portal that runs in the test process."""

from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

from exporter.config import LocationChoice, Login, Secret, portal_address
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.specs import UserSpec

from .worlds import ZONE

StartPortal = Callable[..., PortalServer]
Record = Callable[[PortalServer], list[Call]]
Intercept = Callable[[PortalServer, str, SimulatedResponse | None], None]


def login_of(
    portal: PortalServer | str,
    user: UserSpec | None = None,
    *locations: LocationChoice,
    name: str = "coop",
    zone: ZoneInfo = ZONE,
    password: str | None = None,
) -> Login:
    """Return a login for the simulated portal, or for any address."""
    user = user or UserSpec()
    return Login(
        name,
        portal_address(portal if isinstance(portal, str) else portal.url),
        user.username,
        Secret(user.password if password is None else password),
        Secret(user.totp_secret) if user.totp_secret else None,
        zone,
        locations,
    )


def change(server: PortalServer, **switches: object) -> None:
    """Change settings of a running portal."""
    server.portal.settings = replace(server.portal.settings, **switches)  # type: ignore[arg-type]
