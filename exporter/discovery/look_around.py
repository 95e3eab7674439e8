"""Everything a login can see, step by step: `discover` prints it, `check` turns it into findings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from zoneinfo import ZoneInfo

from ..clock import Clock
from ..config import LocationChoice, Login
from ..errors import PortalError
from ..listing import list_locations
from ..locations import choose, configured_submeters
from ..lockout import Lockout
from ..portal.accounts import AccountLocation
from ..portal.client import PortalClient
from ..portal.identity import PortalIdentity, identify
from ..portal.signin import TOTP, second_factor_error
from ..portal.timezone import ZoneState, ZoneVerdict
from ..portal.timezone_search import bill_reads_of, search_zone
from ..portal.walltime import WallClock
from ..portal.zone_judge import ZoneJudge
from ..storage.state import StateFile
from .describe import location_text
from .survey import PENDING_BUDGET, LocationSurvey, Surveyor

Busy = Callable[[str], None]
"""Called with what is awaited, and with "" when the wait is over."""

PickZone = Callable[[Sequence[str]], str]
"""Picks one of several zones that fit equally well."""


class Step(StrEnum):
    """A step of a look around."""

    PORTAL = "portal"
    ADDRESS = "address"
    SIGN_IN = "sign-in"
    ACCOUNTS = "accounts"
    ZONE = "zone"
    POLL = "poll"


@dataclass(eq=False)
class LookAround:
    """A look at what a login can see; `run` takes the steps, and the other attributes hold what was found.

    state: where rejected sign-ins are remembered. every_location: look at every active electric location too, even if
    the configuration names others.

    identity: what the portal says about itself without a sign-in; None if it was not asked yet.
    next_step: the step being taken, or the one that failed.
    found: every location of the login.
    list_warning: which source replaced `user-data` in listing them, and why; empty if none did.
    read: the locations that are looked at.
    missing: configured locations that the login cannot see.
    surveys: of the locations polled so far.
    zone: the configured zone, otherwise the most likely one; None if neither is known.
    verdict: on that zone.
    zone_error: what kept the portal from showing its clock.
    """

    login: Login
    state: StateFile
    clock: Clock
    busy: Busy = lambda _: None
    pick_zone: PickZone = lambda zones: zones[0]
    every_location: bool = False
    identity: PortalIdentity | None = None
    next_step: Step = Step.PORTAL
    found: list[AccountLocation] = field(default_factory=list)
    list_warning: str = ""
    read: list[AccountLocation] = field(default_factory=list)
    missing: list[LocationChoice] = field(default_factory=list)
    surveys: dict[AccountLocation, LocationSurvey] = field(default_factory=dict)
    verdict: ZoneVerdict = field(default_factory=ZoneVerdict)
    zone_error: PortalError | None = None

    def __post_init__(self) -> None:
        """Prepare the client; nothing is sent before `run`."""
        gate = Lockout(self.login, self.state, self.clock)
        self.zone = self.login.zone
        self._client = PortalClient(self.login, gate, self.clock, lambda *_: None, pending_budget=PENDING_BUDGET)
        self.close = self._client.close

    def run(self) -> Iterator[Step]:
        """Yield each step once it is done. Raises PortalError if `next_step` fails."""
        yield from self._connect()
        if not self.read:
            return
        if self.login.zone is None:
            self.next_step = Step.ZONE
            self._find_zone()
            yield Step.ZONE
        if self.zone is None:
            return
        self.next_step = Step.POLL
        surveyor = self.surveyor()
        for location in self.read:
            self.busy(f"the data of {location_text(location)}")
            survey = self.surveys[location] = surveyor.recent(location)
            yield Step.POLL
            if survey.error is not None and survey.error.while_signing_in:
                raise survey.error
        if self.login.zone is not None:
            self.next_step = Step.ZONE
            self.busy("more data to verify the zone")
            judge = ZoneJudge(self.login, self._client, self.state, self.clock)
            shown = {location: survey.evidence for location, survey in self.surveys.items()}
            self.verdict = judge.judge(shown, bill_reads_of(self.read), is_thorough=True)
            self.zone_error = judge.error
            yield Step.ZONE

    @property
    def zones(self) -> tuple[str, ...]:
        """All zones that fit, if none is configured or the configured one does not fit."""
        return self.verdict.others

    def surveyor(self) -> Surveyor:
        """Return what asks for the data of locations, by the clock of the zone."""
        assert self.zone is not None
        return Surveyor(self._client, WallClock(self.zone), self.clock, partial(configured_submeters, self.login))

    def _connect(self) -> Iterator[Step]:
        self.busy(self.login.portal.label)
        self.identity = self.identity or identify(self.login.portal, self.clock)
        yield Step.PORTAL
        self.next_step = Step.ADDRESS
        asks_for_second_factor = not self.login.has_placeholder and self._client.second_factor_method() == TOTP
        yield Step.ADDRESS
        self.next_step = Step.SIGN_IN
        if asks_for_second_factor and self.login.totp_secret is None:
            # Before signing in: the portal would count that as a rejected sign-in.
            raise second_factor_error(self.login)
        self._client.sign_in()
        yield Step.SIGN_IN
        self.next_step = Step.ACCOUNTS
        self.busy("the list of accounts")
        listing = list_locations(self.login, self._client, self.state)
        self.found, self.list_warning = list(listing.locations), listing.warning
        chosen, self.missing = choose(self.login, self.found)
        readable = [each for each in self.found if each.active and each.electric] if self.every_location else []
        self.read = list(dict.fromkeys([*readable, *chosen]))
        yield Step.ACCOUNTS

    def _find_zone(self) -> None:
        self.busy("data that shows the time zone")
        search = search_zone(self._client, self.read, self.clock)
        self.zone_error = search.error
        if zones := search.zones:
            self.zone = ZoneInfo(self.pick_zone(zones) if len(zones) > 1 else zones[0])
            self.verdict = ZoneVerdict(ZoneState.FITS, zones, self.zone.key)
        else:
            self.surveys = {each: LocationSurvey(each, error=search.errors.get(each)) for each in self.read}
