"""The steps of `check` for one login, from the portal's address to its time zone."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ..discovery.describe import location_text, problem_text
from ..discovery.look_around import LookAround, Step
from ..discovery.survey import LocationSurvey
from ..errors import PortalError
from ..formatting import counted
from ..intervals.model import DAILY, LocationKey
from ..locations import nothing_to_read_message, unread_reason, unseen_message
from ..portal.accounts import AccountLocation
from ..portal.directions import GUESSES, UnusualWords, about_word
from ..portal.identity import PortalIdentity
from ..portal.timezone import zone_advice
from ..portal.timezone_search import bill_reads_of
from .findings import CheckItem, Finding, Heading, failed, ok, warning
from .location import location_findings

_TOO_NEW = 3 * 86400  # seconds, of data in which two full days may be missing


def login_findings(look: LookAround, readers: dict[LocationKey, str]) -> Iterator[CheckItem]:
    """Look at what a login can see, and yield the result of each step as it is done.

    readers: the login that reads each location, which is the first in the file that sees it; this one is added.
    """
    yield Heading(f"Login {look.login.name}")
    words = UnusualWords()
    with closing(look):
        try:
            for step in look.run():
                if step is Step.PORTAL:
                    yield from _portal(look.identity)
                yield from _step_findings(look, step, readers)
                if step is Step.POLL:
                    yield from map(_word, words.new(list(look.surveys.values())[-1].words))
        except PortalError as error:
            if look.next_step is not Step.POLL:  # a failed poll is reported with its location
                yield failed(look.next_step, str(error))
            return
        if look.zone is None:
            return
        surveyor = look.surveyor()
        for location, survey in look.surveys.items():
            look.busy(f"the daily figures of {location_text(location)}")
            is_doubtful = survey.error is not None or bool(look.verdict.problem)
            yield from location_findings(survey, surveyor, look.zone, now=look.clock.now(), is_doubtful=is_doubtful)


def _step_findings(look: LookAround, step: Step, readers: dict[LocationKey, str]) -> Iterator[Finding]:
    login = look.login
    match step:
        case Step.ADDRESS:
            yield ok(step, f"{urlsplit(login.portal.base_url).netloc} answers")
        case Step.SIGN_IN:
            how = ", password and second factor" if login.totp_secret else " and password"
            yield ok(step, f"signed in with user name{how}")
        case Step.ACCOUNTS:
            if look.list_warning:
                yield warning(step, look.list_warning)
            for choice in look.missing:
                yield failed(step, unseen_message(login, choice, look.found))
            if look.read:
                yield ok(step, _choice(look, _leave_to_others(look, readers)))
            elif not look.missing:
                yield failed(step, nothing_to_read_message(login, look.found))
        case Step.POLL:
            yield from _poll(list(look.surveys.values())[-1])
        case Step.ZONE:
            yield _verified_zone(look, login.zone) if login.zone else _proposed_zone(look)


def _portal(identity: PortalIdentity | None) -> Iterator[Finding]:
    if identity is not None and identity.name:
        yield ok(Step.PORTAL, f"the portal of {identity.name}")
    elif identity is not None and identity.error is not None and identity.is_foreign:
        yield warning(Step.PORTAL, identity.error.what, identity.error.advice)


def _leave_to_others(look: LookAround, readers: dict[LocationKey, str]) -> dict[AccountLocation, str]:
    """Skip locations that an earlier login reads; return the name of that login."""
    own = look.login.name
    known = {each: readers.setdefault(each.key(look.login.portal.label), own) for each in look.read}
    look.read[:] = [each for each, reader in known.items() if reader == own]
    return {each: reader for each, reader in known.items() if reader != own}


def _choice(look: LookAround, elsewhere: Mapping[AccountLocation, str]) -> str:
    reasons = {location: f"read by login {reader}" for location, reader in elsewhere.items()}
    others = [
        f"location {location.number} ({reasons.get(location) or unread_reason(location) or 'not chosen'})"
        for location in look.found
        if location not in look.read
    ]
    count = f"reading {len(look.read)} of {counted(len(look.found), 'location')}"
    return f"{count}; skipped: {', '.join(others)}" if others else count


def _poll(survey: LocationSurvey) -> Iterator[Finding]:
    location, step = location_text(survey.location), Step.POLL
    if survey.error is not None:
        yield failed(step, f"{location}: {problem_text(survey.location, survey.error)}")
    elif survey.newest is not None:
        yield ok(step, f"{location} has data")
    elif survey.dropped:
        text = f"{location}: the portal sent data for the last {survey.days} days, but none that can be used"
        yield warning(step, text, "the next lines say why")
    elif survey.monthly:
        text = f"{location} has only monthly figures; its refreshes succeed, but /metrics has nothing to show"
        yield warning(step, text, "ask the co-op for a meter that reports hourly or daily")
    else:
        advice = "check whether the SmartHub website shows any; a new or unused location may have none"
        yield warning(step, f"{location} has no data for the last {survey.days} days", advice)
    for text in survey.warnings:
        yield warning(step, f"{location}: {text}")


def _word(word: str) -> Finding:
    """Report a word for a direction: usage and export may be wrong if it is unknown."""
    return (warning if word in GUESSES else failed)(Step.POLL, about_word(word))


def _proposed_zone(look: LookAround) -> Finding:
    if look.zone_error is not None and not look.zones:
        return failed(Step.ZONE, f"timezone is missing, and the portal's data did not show it: {look.zone_error}")
    return failed(Step.ZONE, "timezone is missing; serve and backfill need it", zone_advice(look.zones))


def _verified_zone(look: LookAround, zone: ZoneInfo) -> Finding:
    verdict = look.verdict
    if verdict.fits:
        return ok(Step.ZONE, f"the portal's times match {zone}")
    if verdict.problem:
        return (failed if verdict.is_contradicted else warning)(Step.ZONE, verdict.problem, verdict.advice)
    if look.zone_error is not None:
        return warning(Step.ZONE, f"could not verify {zone}: {look.zone_error}")
    return _unknown_zone(look, zone)


def _unknown_zone(look: LookAround, zone: ZoneInfo) -> Finding:
    """Explain when the zone can be verified: after two full days of intervals, or after a bill."""
    surveys = look.surveys.values()
    meters = [meter for survey in surveys for meter in survey.meters if meter.info.step < DAILY and meter.intervals]
    is_new = any(look.clock.now() - meter.intervals[0].start < _TOO_NEW for meter in meters)
    if is_new or all(survey.newest is None for survey in surveys):
        when = "in two days" if is_new else "once the portal has data"
        return warning(Step.ZONE, f"not enough data yet to verify {zone}", f"run this check again {when}")
    advice = "compare the energy of a day with the SmartHub website"
    if not bill_reads_of(look.read):
        advice += ", or run this check again after the first bill"
    return warning(Step.ZONE, f"the portal's data does not show whether {zone} is right", advice)
