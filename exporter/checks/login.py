"""The steps of `check` that concern one login, from the portal's address to the zone of its times."""

from collections.abc import Generator, Iterator, Sequence
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ..clock import Clock
from ..config import Login
from ..discovery.describe import location_text, unread_reason
from ..discovery.survey import PENDING_BUDGET, LocationSurvey, Surveyor
from ..errors import PortalError
from ..locations import choose, nothing_to_read_message, unseen_message
from ..lockout import Lockout, TryAnyway
from ..portal.accounts import AccountLocation
from ..portal.client import PortalClient
from ..portal.signin import second_factor_error
from ..portal.timezone import matching_zones
from ..portal.timezone_search import Busy, search_zone, verify_zone
from ..portal.walltime import WallClock
from ..storage.state import StateFile
from .findings import CheckItem, Finding, Heading, Verdict
from .location import location_findings


class LoginCheck:
    """Looks at one login, once; afterwards `surveys` and `zone` have what was seen of the locations that it reads."""

    def __init__(
        self,
        login: Login,
        state: StateFile,
        clock: Clock,
        *,
        try_anyway: TryAnyway | None = None,
        busy: Busy = lambda _: None,
    ) -> None:
        self.login = login
        self.zone = login.zone
        self.surveys: list[LocationSurvey] = []
        self._clock = clock
        self._busy = busy
        gate = Lockout(login, state, clock, try_anyway)
        self._client = PortalClient(login, gate, clock, lambda *_: None, pending_budget=PENDING_BUDGET)

    def run(self) -> Iterator[CheckItem]:
        """The steps, as they are taken."""
        yield Heading(f"Login {self.login.name}")
        try:
            yield from self._steps()
        finally:
            self._client.close()

    def _steps(self) -> Iterator[CheckItem]:
        locations = yield from self._accounts()
        if not locations:
            return
        if self.zone is None:
            yield from self._propose_zone(locations)
            if self.zone is None:
                return
        wall = WallClock(self.zone)
        surveyor = Surveyor(self._client, wall, self._clock)
        for location in locations:
            self._busy(f"the data of {location_text(location)}")
            survey = surveyor.recent(location)
            self.surveys.append(survey)
            yield from _poll(survey)
            if survey.error is not None and survey.error.while_signing_in:
                return
        if self.login.zone is not None:
            yield from self._zone(locations)
        for survey in self.surveys:
            self._busy(f"the daily figures of {location_text(survey.location)}")
            yield from location_findings(survey, surveyor, self.zone, now=self._clock.now())

    def _accounts(self) -> Generator[Finding, None, Sequence[AccountLocation]]:
        """The steps up to the list of locations; returns those to read."""
        login = self.login
        host = urlsplit(login.portal.base_url).netloc
        self._busy(host)
        step = "address"
        try:
            has_second_factor = self._client.has_second_factor()
            yield Finding(Verdict.OK, step, f"{host} answers")
            step = "sign-in"
            if has_second_factor and login.totp_secret is None:
                # Said before the portal says it, because that would count as a refused sign-in.
                raise second_factor_error(login)
            self._client.sign_in()
            how = " with a second factor" if login.totp_secret else ""
            yield Finding(Verdict.OK, step, f"the portal accepted user name and password{how}")
            step = "accounts"
            found = self._client.locations()
        except PortalError as error:
            yield Finding(Verdict.FAILED, step, str(error))
            return ()
        locations, missing = choose(login, found)
        for choice in missing:
            yield Finding(Verdict.FAILED, step, unseen_message(login, choice, found))
        if not locations and not missing:
            yield Finding(Verdict.FAILED, step, nothing_to_read_message(login, found))
        if locations:
            yield Finding(Verdict.OK, step, _choice(locations, found))
        return locations

    def _propose_zone(self, locations: Sequence[AccountLocation]) -> Iterator[Finding]:
        self._busy("data that tell the zone")
        zones: tuple[str, ...] = ()
        error: PortalError | None
        try:
            search = search_zone(self._client, locations, self._clock)
            zones, error = matching_zones(search.evidence), search.error
        except PortalError as failure:
            error = failure
        if error is not None and not zones:
            yield Finding(Verdict.FAILED, "zone", f"timezone is missing, and the portal did not help: {error}")
            return
        if zones:
            self.zone = ZoneInfo(zones[0])
        yield Finding(Verdict.FAILED, "zone", "timezone is missing, serve and backfill need it", _zone_advice(zones))

    def _zone(self, locations: Sequence[AccountLocation]) -> Iterator[Finding]:
        """Verify the configured zone with what was seen; look closer where it does not fit, or others fit as well."""
        assert self.zone is not None
        evidence = tuple(each for survey in self.surveys for each in survey.evidence)
        verdict = verify_zone(self.zone, evidence, self._client, locations, self._clock, self._busy)
        if verdict.zone_fits:
            yield Finding(Verdict.OK, "zone", f"the portal's times fit {self.zone}")
        elif verdict.error is not None:
            yield Finding(Verdict.WARNING, "zone", f"{self.zone} could not be verified: {verdict.error}")
        elif verdict.zone_fits is None:
            advice = "look again in two days, or after the first bill"
            yield Finding(Verdict.WARNING, "zone", f"not enough data yet to verify {self.zone}", advice)
        else:
            text = f"the portal's times do not fit {self.zone}"
            yield Finding(Verdict.FAILED, "zone", text, _zone_advice(verdict.others))


def _poll(survey: LocationSurvey) -> Iterator[Finding]:
    location = location_text(survey.location)
    if survey.error is not None:
        yield Finding(Verdict.FAILED, "poll", f"{location}: {survey.error}")
    elif survey.newest is not None:
        yield Finding(Verdict.OK, "poll", f"{location} answers")
    elif survey.monthly:
        text = f"{location} has figures by the month only: there is nothing to export, and no refresh will fail for it"
        yield Finding(Verdict.WARNING, "poll", text, "ask the co-op for a meter that is read by the hour or day")
    else:
        text = f"{location} has no data for the last {survey.days} days"
        advice = "see whether the portal's own page has some; a new or unused location may have none"
        yield Finding(Verdict.WARNING, "poll", text, advice)
    for warning in survey.warnings:
        yield Finding(Verdict.WARNING, "poll", f"{location}: {warning}")


def _choice(locations: Sequence[AccountLocation], found: Sequence[AccountLocation]) -> str:
    others = [
        f"location {location.number}: {unread_reason(location) or 'not chosen'}"
        for location in found
        if location not in locations
    ]
    count = f"{len(locations)} of {len(found)} locations " + ("is" if len(locations) == 1 else "are") + " read"
    return f"{count}, the others not ({'; '.join(others)})" if others else count


def _zone_advice(zones: Sequence[str]) -> str:
    if not zones:
        return "set timezone to the zone of the co-op, such as America/New_York"
    others = f" ({' or '.join(zones[1:])} would fit as well)" if zones[1:] else ""
    return f"set timezone: {zones[0]}{others}"
