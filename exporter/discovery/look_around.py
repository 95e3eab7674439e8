"""One look at what a login sees, step by step: `discover` prints what comes of it, `check` makes findings of it."""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from zoneinfo import ZoneInfo

from ..clock import Clock
from ..config import LocationChoice, Login
from ..errors import PortalError
from ..locations import choose
from ..portal.accounts import AccountLocation
from ..portal.client import PortalClient
from ..portal.signin import second_factor_error
from ..portal.timezone_search import Busy, search_zone, verify_zone
from ..portal.walltime import WallClock
from .describe import location_text
from .survey import LocationSurvey, Surveyor

PickZone = Callable[[Sequence[str]], str]
"""Picks one of several zones that fit alike."""


class Step(StrEnum):
    """A step of a look around."""

    ADDRESS = "address"
    SIGN_IN = "sign-in"
    ACCOUNTS = "accounts"
    ZONE = "zone"
    POLL = "poll"


class LookAround:
    """Looks at one login, once; `run` yields each step once it is taken, and the attributes keep what was seen.

    found: every location of the login. read: those that were looked at. missing: configured, and not seen by it.
    survey: of the location that was polled last. zone: the configured one, else the likeliest; None where neither is
    known. zones: all that fit, where one was looked for, or where the configured one does not. zone_fits: the verdict.
    zone_error: what kept the portal from showing its clock. every_location: also look at those not configured to be
    read.
    """

    def __init__(
        self,
        login: Login,
        client: PortalClient,
        clock: Clock,
        *,
        busy: Busy = lambda _: None,
        pick_zone: PickZone = lambda zones: zones[0],
        every_location: bool = False,
    ) -> None:
        self.login = login
        self.next_step = Step.ADDRESS
        self.found: list[AccountLocation] = []
        self.read: list[AccountLocation] = []
        self.missing: list[LocationChoice] = []
        self.surveys: dict[AccountLocation, LocationSurvey] = {}
        self.survey: LocationSurvey | None = None
        self.zone: ZoneInfo | None = login.zone
        self.zones: tuple[str, ...] = ()
        self.zone_fits: bool | None = None
        self.zone_error: PortalError | None = None
        self._client = client
        self._clock = clock
        self._busy = busy
        self._pick_zone = pick_zone
        self._every_location = every_location

    def run(self) -> Iterator[Step]:
        """Take the steps. Raises PortalError where the next one, `next_step`, cannot be taken."""
        yield from self._connect()
        if not self.read:
            return
        if self.login.zone is None:
            self.next_step = Step.ZONE
            self._seek_zone()
            yield Step.ZONE
        if self.zone is None:
            return
        self.next_step = Step.POLL
        surveyor = self.surveyor()
        for location in self.read:
            self._busy(f"the data of {location_text(location)}")
            self.survey = self.surveys[location] = surveyor.recent(location)
            yield Step.POLL
            if self.survey.error is not None and self.survey.error.while_signing_in:
                raise self.survey.error
        if self.login.zone is not None:
            self.next_step = Step.ZONE
            self._verify_zone(self.login.zone)
            yield Step.ZONE

    def surveyor(self) -> Surveyor:
        """Asks for data of the locations by the clock of the zone."""
        assert self.zone is not None
        return Surveyor(self._client, WallClock(self.zone), self._clock)

    def _connect(self) -> Iterator[Step]:
        self._busy(self.login.portal.label)
        asks_for_second_factor = not self.login.has_placeholder and self._client.has_second_factor()
        yield Step.ADDRESS
        self.next_step = Step.SIGN_IN
        if asks_for_second_factor and self.login.totp_secret is None:
            # Before the portal says it, because that would count as a rejected sign-in.
            raise second_factor_error(self.login)
        self._client.sign_in()
        yield Step.SIGN_IN
        self.next_step = Step.ACCOUNTS
        self._busy("the list of accounts")
        self.found = self._client.locations()
        chosen, self.missing = choose(self.login, self.found)
        readable = [each for each in self.found if each.active and each.electric] if self._every_location else []
        self.read = list(dict.fromkeys([*readable, *chosen]))
        yield Step.ACCOUNTS

    def _seek_zone(self) -> None:
        self._busy("data that tell the zone")
        search = search_zone(self._client, self.read, self._clock)
        self.zones, self.zone_error = search.zones, search.error
        if self.zones:
            self.zone = ZoneInfo(self._pick_zone(self.zones) if len(self.zones) > 1 else self.zones[0])
            self.zone_fits = True
        else:
            self.surveys = {each: LocationSurvey(each, error=search.errors.get(each)) for each in self.read}

    def _verify_zone(self, zone: ZoneInfo) -> None:
        evidence = tuple(each for survey in self.surveys.values() for each in survey.evidence)
        verdict, self.zone_error = verify_zone(zone, evidence, self._client, self.read, self._clock, self._busy)
        self.zones, self.zone_fits = verdict.others, verdict.fits
