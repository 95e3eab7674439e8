"""Logins and switches of a simulated portal that runs in the test process."""

from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

from cachetools import LRUCache

from exporter.config import LocationChoice, Login, Secret, portal_address
from exporter.simulator.points import Question
from exporter.simulator.portal import Call, SimulatedPortal, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.specs import UserSpec
from exporter.simulator.truth import Almanac

from .worlds import DAY, ZONE

StartPortal = Callable[..., PortalServer]
Record = Callable[[PortalServer], list[Call]]
Intercept = Callable[[PortalServer, str, SimulatedResponse | None], None]

_ANSWERS: LRUCache[tuple[bytes, Almanac], bytes] = LRUCache(64_000_000, getsizeof=len)


class CachingPortal(SimulatedPortal):
    """A simulated portal whose answers are computed once for all tests that ask the same."""

    def _answer(self, question: Question, body: bytes, almanac: Almanac) -> bytes:
        key = body, replace(almanac, now=0.0) if _is_final(question, almanac) else almanac
        answer = _ANSWERS.get(key)
        if answer is None:
            answer = _ANSWERS[key] = super()._answer(question, body, almanac)
        return answer


def _is_final(question: Question, almanac: Almanac) -> bool:
    """Return whether the answer is the same at any later time."""
    is_posted = question.end + 2 * DAY <= almanac.posted - almanac.settings.cost_lag
    return is_posted and question.time_frame != "MONTHLY" and not almanac.settings.revisions


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
