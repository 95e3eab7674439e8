"""The steps of `check` that concern one login, from the portal's address to the zone of its times."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ..clock import Clock
from ..config import Login
from ..discovery.describe import location_text, unread_reason
from ..discovery.look_around import LookAround, Step
from ..discovery.survey import PENDING_BUDGET, LocationSurvey
from ..errors import PortalError
from ..locations import nothing_to_read_message, unseen_message
from ..lockout import Lockout
from ..portal.accounts import AccountLocation
from ..portal.client import PortalClient
from ..portal.timezone import bills_fit
from ..portal.timezone_search import Busy, bill_reads_of
from ..storage.state import StateFile
from .findings import CheckItem, Finding, Heading, by_count, failed, ok, warning
from .location import location_findings


class LoginCheck:
    """Looks at one login, once; afterwards `surveys` and `zone` have what was seen of the locations that it reads."""

    def __init__(self, login: Login, state: StateFile, clock: Clock, *, busy: Busy = lambda _: None) -> None:
        self.login = login
        self._clock = clock
        self._busy = busy
        gate = Lockout(login, state, clock)
        self._client = PortalClient(login, gate, clock, lambda *_: None, pending_budget=PENDING_BUDGET)
        self.look = LookAround(login, self._client, clock, busy=busy)

    @property
    def zone(self) -> ZoneInfo | None:
        """The configured zone, else the one that was found."""
        return self.look.zone

    @property
    def surveys(self) -> list[LocationSurvey]:
        """What was seen of each location that is read."""
        return list(self.look.surveys.values()) if self.look.zone else []

    def run(self) -> Iterator[CheckItem]:
        """The steps, as they are taken."""
        yield Heading(f"Login {self.login.name}")
        try:
            yield from self._steps()
        finally:
            self._client.close()

    def _steps(self) -> Iterator[CheckItem]:
        look = self.look
        try:
            for step in look.run():
                yield from self._findings(step)
        except PortalError as error:
            if look.next_step is not Step.POLL:  # that of a location is told with it
                yield failed(look.next_step, str(error))
            return
        if look.zone is None or not look.surveys:
            return
        surveyor = look.surveyor()
        for location, survey in look.surveys.items():
            self._busy(f"the daily figures of {location_text(location)}")
            is_doubtful = survey.error is not None or (not look.zone_fits and bool(look.zones))
            yield from location_findings(survey, surveyor, look.zone, now=self._clock.now(), is_doubtful=is_doubtful)

    def _findings(self, step: Step) -> Iterator[Finding]:
        """What a step that was taken came to."""
        match step:
            case Step.ADDRESS:
                yield ok(step, f"{urlsplit(self.login.portal.base_url).netloc} answers")
            case Step.SIGN_IN:
                how = " with a second factor" if self.login.totp_secret else ""
                yield ok(step, f"the portal accepted user name and password{how}")
            case Step.ACCOUNTS:
                yield from self._accounts()
            case Step.POLL:
                assert self.look.survey is not None
                yield from _poll(self.look.survey)
            case Step.ZONE:
                zone = self.login.zone
                yield self._verified_zone(zone) if zone else self._proposed_zone()

    def _accounts(self) -> Iterator[Finding]:
        login, look, step = self.login, self.look, Step.ACCOUNTS
        for choice in look.missing:
            yield failed(step, unseen_message(login, choice, look.found))
        if look.read:
            yield ok(step, _choice(look.read, look.found))
        elif not look.missing:
            yield failed(step, nothing_to_read_message(login, look.found))

    def _proposed_zone(self) -> Finding:
        look = self.look
        if look.zone_error is not None and not look.zones:
            return failed(Step.ZONE, f"timezone is missing, and the portal did not help: {look.zone_error}")
        return failed(Step.ZONE, "timezone is missing, serve and backfill need it", _zone_advice(look.zones))

    def _verified_zone(self, zone: ZoneInfo) -> Finding:
        look = self.look
        if look.zone_fits:
            return ok(Step.ZONE, f"the portal's times fit {zone}")
        if look.zone_fits is False:
            return failed(Step.ZONE, f"the portal's times do not fit {zone}", _zone_advice(look.zones))
        if look.zone_error is not None:
            return warning(Step.ZONE, f"{zone} could not be verified: {look.zone_error}")
        if not look.zones:
            advice = "look again in two days, or after the first bill"
            return warning(Step.ZONE, f"not enough data yet to verify {zone}", advice)
        reads = bill_reads_of(look.read)
        if [name for name in (str(zone), *look.zones) if bills_fit(ZoneInfo(name), reads)] == [str(zone)]:
            advice = f"keep {zone}: the portal may stamp its intervals with their end"
            return warning(Step.ZONE, f"the portal's bills fit {zone}, its other times do not", advice)
        return warning(Step.ZONE, f"not all of the portal's times fit {zone}", _zone_advice(look.zones))


def _poll(survey: LocationSurvey) -> Iterator[Finding]:
    location, step = location_text(survey.location), Step.POLL
    if survey.error is not None:
        yield failed(step, f"{location}: {survey.error}")
    elif survey.newest is not None:
        yield ok(step, f"{location} answers")
    elif survey.monthly:
        text = f"{location} has figures by the month only: there is nothing to export, and no refresh will fail for it"
        yield warning(step, text, "ask the co-op for a meter that is read by the hour or day")
    else:
        advice = "see whether the portal's own page has some; a new or unused location may have none"
        yield warning(step, f"{location} has no data for the last {survey.days} days", advice)
    for text in survey.warnings:
        yield warning(step, f"{location}: {text}")


def _choice(locations: Sequence[AccountLocation], found: Sequence[AccountLocation]) -> str:
    others = [
        f"location {location.number}: {unread_reason(location) or 'not chosen'}"
        for location in found
        if location not in locations
    ]
    count = f"{len(locations)} of {len(found)} locations {by_count(len(locations), 'is', 'are')} read"
    return f"{count}, the others not ({'; '.join(others)})" if others else count


def _zone_advice(zones: Sequence[str]) -> str:
    if not zones:
        return "set timezone to the zone of the co-op, such as America/New_York"
    others = f" ({' or '.join(zones[1:])} would fit as well)" if zones[1:] else ""
    return f"set timezone: {zones[0]}{others}"
