"""The status page as HTML, without scripts, inline styles or external resources."""

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from string import Template
from zoneinfo import ZoneInfo

from .. import __version__
from ..formatting import ago
from ..web.rows import encodable
from .card import card
from .condition import UTC, Condition, Severity
from .glance import glance
from .markup import badges, severity, text, time
from .summary import LoginView, Summary
from .svg import HATCHES

STYLE = files(__package__).joinpath("style.css").read_text(encoding="utf-8").strip()
_PAGE = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)

# A page that reloads itself by a meta element without an address keeps its scroll position, which a link or a frame
# would not. It closes tables that were opened, so it must not come often.
_RELOAD = 300  # seconds
_RELOAD_FIRST = 15  # while the first refresh is running and there is little to read
_MOST_OPEN = 4  # meters whose charts are open at first; with more, a page would be too long to find anything


def _icon(colour: str) -> str:
    """Return a colored dot as the icon of the browser tab."""
    dot = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="{colour}"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(dot.encode()).decode()


_ICONS = {Severity.GOOD: _icon("#2a9d67"), Severity.WAIT: _icon("#d9a514"), Severity.BAD: _icon("#d3362b")}


def render(seen: Summary, telemetry_path: str) -> bytes:
    """Return the page: the verdict, the locations, their charts, and the logins last."""
    zones = [*(view.zone for view in seen.locations if view.meters), *(login.zone for login in seen.logins), UTC]
    glances = (glance(view, place, seen.now) for place, view in enumerate(seen.locations))
    cards = _cards(seen)
    sections = (
        _verdict(seen),
        f'<div class="locations">{"".join(filter(encodable, glances))}</div>',
        *filter(encodable, cards),
        _logins(seen),
    )
    return _PAGE.substitute(
        title=text(seen.condition.words),
        icon=_ICONS[seen.condition.severity],
        style=STYLE,
        hatches=HATCHES,
        reload=_RELOAD_FIRST if seen.is_first_refresh else _RELOAD,
        version=text(__version__),
        telemetry_path=text(telemetry_path),
        sections="".join(sections),
        as_of=time(seen.now, zones[0], seen.now),
    ).encode(errors="replace")


def _cards(seen: Summary) -> Iterator[str]:
    is_open = sum(len(view.meters) for view in seen.locations) <= _MOST_OPEN
    for place, location in enumerate(seen.locations):
        for at, view in enumerate(location.meters):
            yield card(view, f"{place}-{at}", seen.now, is_open=is_open)


def _verdict(seen: Summary) -> str:
    detail = f"<p>{text(seen.condition.detail)}</p>" if seen.condition.detail else ""
    more = "".join(f"<li>{_line(each)}</li>" for each in seen.more)
    return (
        f'<section class="verdict {severity(seen.condition)}"><h1>{text(seen.condition.words)}</h1>'
        f"{detail}{f'<ul>{more}</ul>' if more else ''}</section>"
    )


def _line(condition: Condition) -> str:
    return text(f"{condition.words}. {condition.detail}" if condition.detail else condition.words)


def _logins(seen: Summary) -> str:
    items = "".join(_login(login, seen.now) for login in seen.logins)
    title = "Login" if len(seen.logins) == 1 else "Logins"
    return f'<section aria-labelledby="logins"><h2 id="logins">{title}</h2><ul class="logins">{items}</ul></section>'


def _login(login: LoginView, now: float) -> str:
    status, zone = login.status, login.zone
    times = {"Last refresh": _past(status.last_refresh, zone, now) or "none yet"}
    if status.last_success != status.last_refresh:
        times["Last success"] = _past(status.last_success, zone, now) or login.last_success(now)
    following = status.next_refresh
    times["Next refresh"] = f"{time(following, zone, now)}, " if following > now else ""
    times["Next refresh"] += login.next_try(now)
    shown = "".join(f"<div><dt>{name}</dt><dd>{when}</dd></div>" for name, when in times.items())
    return (
        f'<li class="card {severity(login.condition)}"><div class="head">'
        f'<h3>{text(login.name)}</h3>{badges([login.condition])}</div><dl class="times">{shown}</dl></li>'
    )


def _past(instant: float, zone: ZoneInfo, now: float) -> str:
    return f"{time(instant, zone, now)}, {ago(now - instant)}" if instant else ""
