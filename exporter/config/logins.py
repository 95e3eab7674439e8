"""The logins: which portals, as whom, and which of their service locations."""

from collections.abc import Callable, Mapping

from .addresses import portal_address
from .model import LocationChoice, Login, Secret
from .schema import LOCATION, LOGIN
from .section import Section
from .totp import second_factor
from .values import parse_zone, quoted
from .yaml_nodes import YamlSequence

_NOTHING_GIVEN = (
    "no configuration: write a config.yaml, name a file with --config.file, or set "
    "SMARTHUB_API_URL, SMARTHUB_USERNAME, SMARTHUB_PASSWORD and SMARTHUB_TIMEZONE"
)
_ZONE_ADVICE = (
    ', give the zone of the co-op, such as America/New_York ("smarthub-exporter discover" finds out which one it is)'
)

_ZONES_WITHOUT_SUMMER = ("EST", "MST", "HST", "UTC", "GMT")
_SUMMER_ADVICE = "write the co-op's as Area/City, such as America/New_York"
_ASKED = ("api_url", "username", "password")

Ask = Callable[[str], str]
"""Asks a person for the value of a key; empty where none is given."""


def read_logins(
    top: Section, environ: Mapping[str, str], *, require_zone: bool, ask: Ask | None = None
) -> tuple[Login, ...]:
    """The logins of the file, or the single one of file, environment and answers together.

    Logins with problems may be among them or missing: the problems are in the section's report.
    """
    logins = []
    names: set[str] = set()
    for section in _sections(top, environ, ask):
        login = _login(section, require_zone=require_zone)
        if login is None:
            continue
        if login.name in names:
            message = f"two logins are called {quoted(login.name)}, give each a name of its own"
            section.report.problem(section.where("name"), message)
        names.add(login.name)
        logins.append(login)
    return tuple(logins)


def _sections(top: Section, environ: Mapping[str, str], ask: Ask | None) -> list[Section]:
    part = top.parts.get("smarthub")
    variables = [name for name in LOGIN.variables.values() if environ.get(name)]
    if part is None and not variables and ask is None:
        _report_nothing_given(top)
        return []
    if part is None or not isinstance(part.node, YamlSequence):
        section = top.subsection("smarthub", LOGIN)
        section.overlay(environ)
        if ask is not None:
            for key in _ASKED:
                if not section.is_set(key) and not section.is_reported(key):
                    section.override(key, key, ask(key))
        return [section]
    for name in variables:
        top.report.problem(name, f"only for a single login, but smarthub in {part.source.name} is a list")
    if not part.node.items:
        top.report.problem(part.where, "an empty list, give at least one login")
    return [Section.read(item, LOGIN) for item in part.items()]


def _report_nothing_given(top: Section) -> None:
    if not top.place:
        top.report.problems.append(_NOTHING_GIVEN)
    elif not top.is_reported("smarthub"):
        top.report.problem(f"{top.place}: smarthub", "missing, it takes api_url, username, password and timezone")


def _login(section: Section, *, require_zone: bool) -> Login | None:
    section.require("api_url", "username", "password")
    if require_zone:
        section.require("timezone", advice=_ZONE_ADVICE)
    portal = section.value("api_url", portal_address)
    username = section.text("username")
    password = section.secret("password")
    totp_secret = section.secret("totp_secret", second_factor)
    zone = section.value("timezone", parse_zone)
    locations = _locations(section)
    name = section.text("name")
    if portal is None:
        return None
    if portal.base_url.startswith("http:") and not portal.loopback:
        section.report.warning(section.where("api_url"), "http sends the password in the clear, use https")
    login = Login(
        name=name or portal.label,
        portal=portal,
        username=username,
        password=password or Secret(""),
        totp_secret=totp_secret,
        zone=zone,
        locations=locations,
    )
    if login.has_placeholder:
        section.report.warning(section.where("password"), "still the one of the example, nobody is signed in with it")
    if zone is not None and zone.key in _ZONES_WITHOUT_SUMMER:
        section.report.warning(section.where("timezone"), f"{zone.key} has no summer time, {_SUMMER_ADVICE}")
    return login


def _locations(section: Section) -> tuple[LocationChoice, ...]:
    part = section.parts.get("locations")
    listed = [Section.read(item, LOCATION) for item in part.items()] if part else []
    single = [key for key in ("account", "service_location") if section.is_set(key)]
    if not listed:
        return (_choice(section, name=""),) if single else ()
    for key in single:
        section.report.problem(section.where(key), "not together with locations, give one of the two")
    choices: list[LocationChoice] = []
    for item in listed:
        item.require("service_location")
        choice = _choice(item, name=item.text("name"))
        if any(_overlap(choice, other) for other in choices):
            item.report.problem(
                item.where("service_location"), f"{quoted(choice.service_location or '')} is given twice"
            )
        choices.append(choice)
    return tuple(choices)


def _choice(section: Section, *, name: str) -> LocationChoice:
    return LocationChoice(
        account=section.text("account").strip() or None,
        service_location=section.text("service_location").strip() or None,
        name=name,
    )


def _overlap(one: LocationChoice, other: LocationChoice) -> bool:
    """Whether two choices mean the same location; a choice without account means it in any account."""
    if one.service_location is None or one.service_location != other.service_location:
        return False
    return one.account is None or other.account is None or one.account == other.account
