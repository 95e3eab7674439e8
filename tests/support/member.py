"""A member who talks to the simulated portal directly, and helpers that read its answers."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedPortal, SimulatedResponse
from exporter.simulator.settings import Settings
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, UserSpec
from exporter.simulator.world import World

from .clocks import ManualClock

Json = Any
ZONE = ZoneInfo("America/New_York")
QUARTER = 900
HOUR = 3600
DAY = 86400
AUTH = "/services/oauth/auth/v2"
POLL = "/services/secured/utility-usage/poll"
SOLAR = Household(5, solar=7.0)


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, *, fold: int = 0) -> int:
    """Return an instant from the clock of New York."""
    return int(datetime(year, month, day, hour, minute, tzinfo=ZONE, fold=fold).timestamp())


def wall(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """Return a wall-clock x in milliseconds: local time written as if it were UTC."""
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1000


def june(hour: int, minute: int = 0) -> int:
    """Return a wall-clock x in milliseconds on the day that most tests read."""
    return wall(2026, 6, 10, hour, minute)


MIDNIGHT, NEXT, NOW = at(2026, 6, 10), at(2026, 6, 11), at(2026, 12, 1)


def meter(channels: Channels = Channels.FORWARD, number: str = "81001", **more: Any) -> MeterSpec:  # noqa: ANN401
    household = Household(1) if channels in (Channels.FORWARD, Channels.TOTAL) else SOLAR
    return MeterSpec(number, household, channels, **more)


def home(*meters: MeterSpec) -> LocationSpec:
    return LocationSpec("55001", "70001", meters, "House")


class Member:
    """A member who calls a simulated portal without a network.

    `where` are locations, or meters of one location; by default there is one meter. `switches` are the portal's.
    """

    def __init__(
        self,
        *where: LocationSpec | MeterSpec,
        now: float = NOW,
        users: tuple[UserSpec, ...] = (UserSpec(),),
        zone: str = ZONE.key,
        **switches: Any,  # noqa: ANN401
    ) -> None:
        self.user = users[0]
        self.clock = ManualClock(now)
        locations = [each for each in where if isinstance(each, LocationSpec)]
        meters = [each for each in where if isinstance(each, MeterSpec)]
        world = World(zone, users, tuple(locations) or (home(*meters or [meter()]),))
        self.portal = SimulatedPortal(world, self.clock, replace(Settings(pending=0), **switches))
        self.token = ""

    def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SimulatedResponse:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True)) if path.startswith("/services/oauth/") else {}
        return self.portal.respond(Call(method, path, query or {}, headers or {}, body, form))

    def get(self, path: str, **query: str) -> SimulatedResponse:
        return self.call("GET", path, query=query, headers=self.credentials())

    def credentials(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}", "x-nisc-smarthub-username": self.user.username}

    def user_data(self, user_id: str = "") -> SimulatedResponse:
        return self.get("/services/secured/user-data", userId=user_id or self.user.username)

    def post_form(self, path: str, **form: str) -> SimulatedResponse:
        return self.call("POST", path, urlencode(form).encode())

    def sign_in(self, **form: str) -> Json:
        response = self.post_form(AUTH, **{"userId": self.user.username, "password": self.user.password, **form})
        answer = json.loads(response.body)
        self.token = answer.get("authorizationToken", "")
        return answer

    def question(self, start: int, end: int, time_frame: str = "HOURLY", **more: Json) -> Json:
        location = self.portal.world.locations[0]
        return {
            "timeFrame": time_frame,
            "userId": self.user.username,
            "screen": "USAGE_EXPLORER",
            "includeDemand": False,
            "serviceLocationNumber": location.number,
            "accountNumber": location.account,
            "industries": ["ELECTRIC"],
            "startDateTime": start * 1000,
            "endDateTime": end * 1000,
            **more,
        }

    def poll(self, start: int, end: int, time_frame: str = "HOURLY", **more: Json) -> SimulatedResponse:
        body = json.dumps(self.question(start, end, time_frame, **more)).encode()
        return self.call("POST", POLL, body, headers=self.credentials())

    def entries(
        self, start: int = MIDNIGHT, end: int = NEXT, time_frame: str = "HOURLY", industry: str = "ELECTRIC"
    ) -> dict[str, Json]:
        """Return the entries of a complete answer by their type."""
        if not self.token:
            self.sign_in()
        answer = json.loads(self.poll(start, end, time_frame, industries=[industry]).body)
        assert answer["status"] == "COMPLETE"
        return {entry["type"]: entry for entry in answer["data"][industry]}

    def usage(self, start: int = MIDNIGHT, end: int = NEXT, time_frame: str = "HOURLY") -> Json:
        return self.entries(start, end, time_frame)["USAGE"]


def points(entry: Json, series: int = 0) -> list[tuple[int, float | None]]:
    return [(point["x"], point.get("y")) for point in entry["series"][series]["data"]]


def times(entry: Json, series: int = 0) -> list[int]:
    return [x for x, _ in points(entry, series)]


SPRING, AUTUMN = (at(2026, 3, 8), at(2026, 3, 9)), (at(2026, 11, 1), at(2026, 11, 2))
