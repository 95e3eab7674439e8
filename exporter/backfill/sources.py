"""The configured logins, and which locations to fetch through each."""

import threading
from collections import Counter
from collections.abc import Collection, Sequence

from ..clock import Clock
from ..config import Config
from ..errors import AccessError, ConfigError, PortalError, TransportError
from ..intervals.model import LocationKey
from ..listing import list_locations
from ..locations import (
    choose,
    configured_submeters,
    location_list,
    nothing_to_read_message,
    owners,
    told_name,
    unseen_message,
)
from ..lockout import Lockout
from ..portal.accounts import AccountLocation
from ..portal.client import PortalClient
from ..portal.history import KnownMeters, LocationHistory
from ..portal.walltime import WallClock
from ..portal.zone_judge import ZoneJudge
from ..storage.state import StateFile
from .plan import DayRange, Job, KnownSteps

_NOW = 7  # days that show the current meters


class Sources:
    """The clients of all logins, and the judges of their zones.

    `concurrency` is how many polls of a login may be in progress. `requests` counts their calls by endpoint. `problems`
    say why a login or a location cannot be read. `notes` name locations that several logins can see, and what was used
    instead of a login's `user-data`.
    """

    def __init__(self, config: Config, state: StateFile, clock: Clock, concurrency: int = 1) -> None:
        self.requests: Counter[str] = Counter()
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._counting = threading.Lock()
        self._logins = config.logins
        self._state = state
        self._clock = clock
        self.clients = {
            number: PortalClient(login, Lockout(login, state, clock), clock, self._count, concurrency=concurrency)
            for number, login in enumerate(config.logins)
        }
        self.judges = {
            number: ZoneJudge(login, self.clients[number], state, clock) for number, login in enumerate(config.logins)
        }

    def _count(self, endpoint: str, code: str, seconds: float) -> None:  # noqa: ARG002 - an observer
        with self._counting:
            self.requests[endpoint] += 1

    def close(self) -> None:
        """End the connections."""
        for client in self.clients.values():
            client.close()

    def jobs(self, wanted: DayRange, only: Collection[str]) -> list[Job]:
        """Return what to fetch; a shared location belongs to the first login.

        `only` has location numbers; empty means all configured ones. Raises PortalError and ConfigError.
        """
        seen: list[AccountLocation] = []
        read: dict[int, dict[LocationKey, AccountLocation]] = {}
        for number, login in enumerate(self._logins):
            try:
                found, locations = self._locations(number, only)
            except PortalError as error:
                if len(self._logins) == 1:
                    raise
                self.problems.append(str(error))
                continue
            seen += found
            read[number] = {location.key(login.portal.label): location for location in locations}
        owner = owners(read)
        jobs: list[Job] = []
        for number, locations_by_key in read.items():
            login = self._logins[number]
            for key, location in locations_by_key.items():
                if owner[key] == number:
                    assert login.zone is not None
                    wall = WallClock(login.zone)
                    bounds = wanted.bounds(wall, self._clock.now())
                    submeters = configured_submeters(login, location)
                    name = told_name(login, location)
                    jobs.append(Job(number, key, location, name, wall, *bounds, submeters, wanted.from_first))
                else:
                    first = self._logins[owner[key]].name
                    self.notes.append(
                        f"location {key.location} is read by login {first}, the first in the file;"
                        f" login {login.name} skips it"
                    )
        if not jobs and self.problems:
            raise AccessError("; ".join(self.problems))
        for missing in sorted(set(only) - {job.key.location for job in jobs}):
            if self.problems:
                raise AccessError(
                    f"location {missing} was not found, and not every login could be checked: {self.problems[0]}"
                )
            is_seen = any(location.number == missing for location in seen)
            none = f"is not visible to any login; the logins can see {location_list(seen)}"
            other = "is not among the configured locations; add it to the configuration"
            raise ConfigError(f"--location {missing} {other if is_seen else none}")
        return jobs

    def steps(self, job: Job) -> KnownSteps:
        """Return the current resolution in seconds of each meter of a job.

        Empty if no meter has data.

        A meter that has finer data now must not get daily values for old years that have nothing else: otherwise the
        order of the chunks would decide what is written. So what the state knows counts too. Raises PortalError rather
        than guess, since a wrong value would stay in a database forever; daily data beside a server error is in doubt.
        """
        client, now = self.clients[job.source], int(self._clock.now())
        history = LocationHistory(client.usage, job.location.account, job.location.number, job.wall)
        start, end = job.wall.days_before(now, _NOW), job.wall.days_before(now, -1)
        client.begin()
        stored = self._state.locations(lambda key: key == job.key)
        known = KnownMeters.of(meter for location in stored for meter in location.meters)
        found = history.fetch(start, end, known, try_hourly=True)
        steps = {meter.info.number: meter.info.step for meter in found.meters if meter.info.step and meter.readings}
        if isinstance(found.error, TransportError) or (found.error is not None and not steps):
            raise found.error
        return KnownSteps(steps, found.doubt)

    def _locations(self, number: int, only: Collection[str]) -> tuple[Sequence[AccountLocation], list[AccountLocation]]:
        """Return the locations that a login sees, and those of them to fetch. Raises PortalError."""
        login = self._logins[number]
        listing = list_locations(login, self.clients[number], self._state)
        if listing.warning:
            self.notes.append(f"login {login.name}: {listing.warning}")
        found = listing.locations
        locations, missing = choose(login, found)
        if only:
            # A closed location may be named too, unless the configuration leaves it out.
            readable = locations if login.locations else found
            return found, [location for location in readable if location.number in only]
        if not locations:
            raise AccessError(
                unseen_message(login, missing[0], found) if missing else nothing_to_read_message(login, found)
            )
        self.problems += [unseen_message(login, choice, found) for choice in missing]
        return found, locations
