"""Read the logins: portals, users and their service locations."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from .model import LocationChoice, Login, PortalAddress, Secret
from .schema import LOCATION, LOGIN
from .section import Section
from .values import quoted

_NOTHING_GIVEN = (
    "{}; use --config.file for another file, or set SMARTHUB_API_URL, SMARTHUB_USERNAME, SMARTHUB_PASSWORD and"
    " SMARTHUB_TIMEZONE"
)
_NO_FILE = "there is no such file in this directory; write one with smarthub-exporter discover --write config.yaml"
_NO_LOGIN = "no login is configured; add a smarthub section"
_ZONE_ADVICE = "; set the co-op's time zone, such as America/New_York (smarthub-exporter discover can find it)"

_PLAIN = "this must be the plain text password that you sign in with, not the hash from the browser"
_DIGEST_BYTES = (16, 20, 32, 64)  # of MD5 and the SHA family; portals accept passwords of about 15 characters

_ZONES_WITHOUT_SUMMER = ("EST", "MST", "HST", "UTC", "GMT")
_REQUIRED = ("api_url", "username", "password")

Ask = Callable[[str, str], str]
"""Asks the user for the value of a key, given the address of the portal so far; empty if there is no answer."""


def read_logins(
    top: Section, environ: Mapping[str, str], *, require_zone: bool, ask: Ask | None = None
) -> tuple[Login, ...]:
    """Return the logins of a list, or the single one.

    A single login takes its values from the file, the environment and the answers of `ask`. A login with problems may
    be missing: the problems are reported to the section's source.
    """
    logins = []
    names: set[str] = set()
    for section in _sections(top, environ, ask):
        login = _login(section, require_zone=require_zone)
        if login is None:
            continue
        if login.name in names:
            section.problem("name", f"two logins are named {quoted(login.name)}; give each a different name")
        names.add(login.name)
        logins.append(login)
    return tuple(logins)


def _sections(top: Section, environ: Mapping[str, str], ask: Ask | None) -> list[Section]:
    part = top.parts.get("smarthub")
    variables = [key.variable for key in LOGIN.values() if environ.get(key.variable)]
    if part is None and not variables and ask is None:
        if top.is_missing("smarthub"):
            top.source.problem(top.source.name, _NOTHING_GIVEN.format(_NO_LOGIN if top.place else _NO_FILE))
        return []
    if part is None or not isinstance(part.node, yaml.SequenceNode):
        section = top.subsection("smarthub", environ)
        if ask is not None:
            for key in _REQUIRED:
                if section.is_missing(key):
                    address = section.settings.get("api_url")
                    section.override(key, key, ask(key, address.text if address else ""))
        return [section]
    for name in variables:
        top.source.problem(name, f"cannot be used with a list of logins in {part.source.name}; unset it")
    if not part.node.value:
        top.source.problem(part.where, "the list is empty; add at least one login")
    return [Section(LOGIN, top.source, item) for item in part.items()]


def _login(section: Section, *, require_zone: bool) -> Login | None:
    section.require(*_REQUIRED)
    if require_zone:
        section.require("timezone", advice=_ZONE_ADVICE)
    values = section.values()
    portal: PortalAddress | None = values.pop("api_url", None)
    zone: ZoneInfo | None = values.pop("timezone", None)
    single = {key: values.pop(key, None) for key in ("account", "service_location") if key in section.settings}
    locations = _locations(section, single)
    if portal is None:
        return None
    if portal.base_url.startswith("http:") and not portal.loopback:
        section.warning("api_url", "http:// sends the password in clear text; use https://")
    given = {"name": portal.label, "username": "", "password": Secret(""), **values}
    login = Login(portal=portal, zone=zone, locations=locations, **given)
    if login.has_placeholder:
        section.warning(
            "password", "still the placeholder from the example; replace it (sign-in is skipped until then)"
        )
    if section.has_former_name or _looks_like_a_hash(login.password.reveal()):
        section.warning("password", _PLAIN)
    if zone is not None and zone.key in _ZONES_WITHOUT_SUMMER:
        section.warning("timezone", f"{zone.key} has no daylight saving time; use Area/City, such as America/New_York")
    return login


def _looks_like_a_hash(password: str) -> bool:
    """Whether a password is a digest in hexadecimal or base64, as early versions of the Go tool needed it."""
    for decode in (bytes.fromhex, partial(b64decode, validate=True)):
        with suppress(ValueError):
            if len(decode(password)) in _DIGEST_BYTES and not password.isalpha():
                return True
    return False


def _locations(section: Section, single: Mapping[Any, str | None]) -> tuple[LocationChoice, ...]:
    part = section.parts.get("locations")
    listed = [Section(LOCATION, section.source, item) for item in part.items()] if part else []
    if not listed:
        return (_choice(single),) if single else ()
    for key in single:
        section.problem(key, "cannot be combined with locations; use one or the other")
    choices: list[LocationChoice] = []
    for item in listed:
        item.require("service_location")
        choice = _choice({**item.values(), "submeters": _submeters(item)})
        if any(_overlap(choice, other) for other in choices):
            item.problem("service_location", f"{quoted(choice.service_location or '')} is listed twice; remove one")
        choices.append(choice)
    return tuple(choices)


def _submeters(section: Section) -> tuple[tuple[str, str], ...]:
    """Read which meters are part of another one."""
    part = section.parts.get("submeters")
    submeters: dict[str, str] = {}
    for child, value in ((part and part.entries()) or {}).items():
        parent = value.text()
        if parent is not None and parent.strip() in ("", child.strip()):
            section.source.problem(value.where, "name another meter: the one that contains this one")
        submeters[child.strip()] = (parent or "").strip()
    return tuple(submeters.items())


def _choice(values: Mapping[Any, Any]) -> LocationChoice:
    return LocationChoice(**{key: value for key, value in values.items() if value})


def _overlap(one: LocationChoice, other: LocationChoice) -> bool:
    """Whether two choices mean the same location.

    A choice without an account means any account.
    """
    if one.service_location is None or one.service_location != other.service_location:
        return False
    return one.account is None or other.account is None or one.account == other.account
