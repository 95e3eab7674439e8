"""The status page as HTML, without scripts, inline styles or external resources."""

import base64
import hashlib
from collections.abc import Container
from importlib.resources import files
from string import Template
from zoneinfo import ZoneInfo

from .. import __version__
from ..formatting import ago, kwh, lasting
from ..web.rows import encodable
from .card import card
from .condition import UTC, Severity
from .markup import DASH, badges, note, severity, table, text, time
from .summary import LoginView, MeterView, Summary

STYLE = files(__package__).joinpath("style.css").read_text(encoding="utf-8").strip()
_PAGE = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


def _icon(colour: str) -> str:
    """Return a colored dot as the icon of the browser tab."""
    dot = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="{colour}"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(dot.encode()).decode()


_ICONS = {Severity.GOOD: _icon("#2a9d67"), Severity.WAIT: _icon("#d9a514"), Severity.BAD: _icon("#d3362b")}


def render(seen: Summary, telemetry_path: str) -> bytes:
    """Return the page."""
    zone = next((view.zone for view in seen.meters if view.meter), UTC)
    rendered = ((place, card(view, place, seen.now)) for place, view in enumerate(seen.meters))
    cards = {place: section for place, section in rendered if encodable(section)}
    sections = (
        _verdict(seen),
        _logins(seen),
        _index(seen, cards) if len(seen.meters) > 1 else "",
        *cards.values(),
    )
    return _PAGE.substitute(
        title=text(seen.condition.words),
        icon=_ICONS[seen.condition.severity],
        style=STYLE,
        version=text(__version__),
        telemetry_path=text(telemetry_path),
        sections="".join(sections),
        as_of=time(seen.now, zone, seen.now),
    ).encode(errors="replace")


def _verdict(seen: Summary) -> str:
    detail = f"<p>{text(seen.condition.detail)}</p>" if seen.condition.detail else ""
    more = "".join(f"<li>{text(words)}</li>" for words in seen.more)
    newest = ""
    view = min(seen.meters, key=lambda view: view.figures.age(seen.now), default=None)
    if view and view.figures.newest:
        newest = f'<p class="soft">Newest data: {_past(view.figures.newest.end, view.zone, seen.now)}.</p>'
    return (
        f'<section class="verdict {severity(seen.condition)}"><h1>{text(seen.condition.words)}</h1>'
        f"{detail}{f'<ul>{more}</ul>' if more else ''}{newest}</section>"
    )


def _logins(seen: Summary) -> str:
    items = "".join(_login(login, seen.now) for login in seen.logins)
    title = "Login" if len(seen.logins) == 1 else "Logins"
    return f'<section aria-labelledby="logins"><h2 id="logins">{title}</h2><ul class="logins">{items}</ul></section>'


def _login(login: LoginView, now: float) -> str:
    status, zone = login.status, login.zone
    times = {"Last refresh": _past(status.last_refresh, zone, now) or "none yet"}
    if status.last_success != status.last_refresh:
        times["Last without a failure"] = _past(status.last_success, zone, now) or "none since the start"
    following = status.next_refresh
    times["Next refresh"] = "under way" + (f", begun {ago(now - following)}" if following else "")
    if following > now:
        times["Next refresh"] = f"{time(following, zone, now)}, in {lasting(following - now)}"
    shown = "".join(f"<div><dt>{name}</dt><dd>{when}</dd></div>" for name, when in times.items())
    return (
        f'<li class="card {severity(login.condition)}"><div class="head">'
        f"<h3>{text(login.name)}</h3>{badges([login.condition])}</div>"
        f'{"".join(map(note, login.problems))}<dl class="times">{shown}</dl></li>'
    )


def _past(instant: float, zone: ZoneInfo, now: float) -> str:
    return f"{time(instant, zone, now)}, {ago(now - instant)}" if instant else ""


def _index(seen: Summary, cards: Container[int]) -> str:
    columns = ("Location", "State", "Newest data", "Latest whole day")
    rows = [
        (
            f'<a href="#m{place}">{text(view.title)}</a>',
            badges(view.conditions),
            ago(view.figures.age(seen.now)) if view.figures.newest else "none",
            _day_energy(view),
        )
        for place, view in enumerate(seen.meters)
        if place in cards
    ]
    return (
        '<section aria-labelledby="locations"><h2 id="locations">Locations</h2>'
        f'<div class="card"><table class="index">{table(columns, rows)}</table></div></section>'
    )


def _day_energy(view: MeterView) -> str:
    if not view.figures.days:
        return DASH
    day = view.figures.days[-1]
    return kwh(day.usage if day.usage is not None else day.export or 0.0)
