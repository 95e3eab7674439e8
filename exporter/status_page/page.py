"""The status page as HTML: one answer without script, inline style or anything from elsewhere."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from zoneinfo import ZoneInfo

from .. import __version__
from ..formatting import ago, kwh, lasting
from ..intervals.model import LocationKey, Snapshot
from ..refresh.status import LoginStatus
from .cache import MeterCache
from .card import Cards
from .condition import UTC, Condition, Severity, listed
from .figures import Figures
from .markup import badge, badges, note, severity, text, time
from .summary import LoginView, MeterView, Summary, summarize

STYLE = files(__package__).joinpath("style.css").read_text(encoding="utf-8").strip()
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


def _icon(colour: str) -> str:
    """A dot for the tab, which tells the state while another page is read."""
    dot = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="{colour}"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(dot.encode()).decode()


_ICONS = {Severity.GOOD: _icon("#2a9d67"), Severity.WAIT: _icon("#d9a514"), Severity.BAD: _icon("#d3362b")}


class StatusPage:
    """Renders the page from what is in memory, and keeps the charts of meters in which nothing has changed."""

    def __init__(self, telemetry_path: str) -> None:
        self._telemetry_path = telemetry_path
        self._figures: MeterCache[Figures] = MeterCache()
        self._cards = Cards()

    def render(
        self,
        snapshot: Snapshot,
        statuses: Mapping[str, LoginStatus],
        now: float,
        *,
        is_alive: bool = True,
        backfill_needed: Mapping[LocationKey, int] | None = None,
    ) -> bytes:
        """The page as of `now`, in seconds UTC; the rest as in `overview`."""
        seen = summarize(
            snapshot, statuses, now, is_alive=is_alive, backfill_needed=backfill_needed, kept=self._figures
        )
        meters = len(seen.meters)
        places = {(view.key, view.meter.info.number) for view in seen.meters if view.meter}
        self._figures.only(places)
        self._cards.only(places)
        body = "".join(
            (
                _verdict(seen),
                _logins(seen),
                _index(seen) if meters > 1 else "",
                *(self._cards.card(view, place, now, meters) for place, view in enumerate(seen.meters)),
            )
        )
        return (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{text(seen.condition.words)} – SmartHub exporter</title>"  # noqa: RUF001 - a dash
            f'<link rel="icon" href="{_ICONS[seen.condition.severity]}"><style>{STYLE}</style></head><body>'
            f"{self._header()}<main>{body}</main>{_footer(seen)}</body></html>"
        ).encode()

    def _header(self) -> str:
        links = ((self._telemetry_path, "Metrics"), ("/-/healthy", "Health"), ("/-/ready", "Readiness"))
        items = "".join(f'<li><a href="{text(path)}">{name}</a></li>' for path, name in links)
        return (
            f"<header><p>SmartHub exporter <span>{text(__version__)}</span></p>"
            f'<nav aria-label="Pages"><ul>{items}</ul></nav></header>'
        )


# -- the top


def _verdict(seen: Summary) -> str:
    more = "".join(f"<li>{text(words)}</li>" for words in seen.more)
    newest = [(view.figures.newest.end, view.zone) for view in seen.meters if view.figures and view.figures.newest]
    tail = ""
    if newest:
        end, zone = max(newest, key=lambda each: each[0])
        tail = f'<p class="soft">Newest data: {time(end, zone, seen.now)}, {ago(seen.now - end)}.</p>'
    detail = f"<p>{text(seen.condition.detail)}</p>" if seen.condition.detail else ""
    return (
        f'<section class="verdict {severity(seen.condition)}"><h1>{text(seen.condition.words)}</h1>'
        f"{detail}{f'<ul>{more}</ul>' if more else ''}{tail}</section>"
    )


def _logins(seen: Summary) -> str:
    items = "".join(_login(login, seen.now) for login in seen.logins)
    title = "Login" if len(seen.logins) == 1 else "Logins"
    return f'<section aria-labelledby="logins"><h2 id="logins">{title}</h2><ul class="logins">{items}</ul></section>'


def _login(login: LoginView, now: float) -> str:
    notes = [note(login.condition)] if login.condition.detail else []
    for problem in login.problems:
        places = f" Concerns {listed(problem.locations)}." if problem.locations else ""
        notes.append(
            note(Condition(problem.condition.severity, problem.condition.words, problem.condition.detail + places))
        )
    times = [
        ("Last refresh", _past(login.last_refresh, login.zone, now, "none yet")),
        ("Last without a failure", _past(login.last_success, login.zone, now, "none since the start")),
        ("Next refresh", _coming(login, now)),
    ]
    if login.last_refresh == login.last_success:
        del times[1]
    shown = "".join(f"<div><dt>{name}</dt><dd>{when}</dd></div>" for name, when in times)
    return (
        f'<li class="card {severity(login.condition)}"><div class="head">'
        f"<h3>{text(login.name)}</h3>{badge(login.condition)}</div>"
        f'{"".join(notes)}<dl class="times">{shown}</dl></li>'
    )


def _past(instant: float, zone: ZoneInfo, now: float, never: str) -> str:
    return f"{time(instant, zone, now)}, {ago(now - instant)}" if instant else never


def _coming(login: LoginView, now: float) -> str:
    if not login.next_refresh:
        return "under way"
    if login.next_refresh > now:
        return f"{time(login.next_refresh, login.zone, now)}, in {lasting(login.next_refresh - now)}"
    return f"under way, begun {ago(now - login.next_refresh)}"


def _index(seen: Summary) -> str:
    rows = "".join(
        f'<tr><th scope="row"><a href="#m{number}">{text(view.title)}</a></th><td>{badges(view)}</td>'
        f'<td>{_age(view, seen.now)}</td><td class="wide">{_day_energy(view)}</td></tr>'
        for number, view in enumerate(seen.meters)
    )
    return (
        '<section aria-labelledby="locations"><h2 id="locations">Locations</h2>'
        '<div class="card"><table class="index"><thead>'
        '<tr><th scope="col">Location</th><th scope="col">State</th><th scope="col">Newest data</th>'
        f'<th scope="col" class="wide">Latest whole day</th></tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _age(view: MeterView, now: float) -> str:
    return ago(now - view.figures.newest.end) if view.figures and view.figures.newest else "none"


def _day_energy(view: MeterView) -> str:
    day = view.figures.latest_day if view.figures else None
    return "–" if day is None else kwh(day.usage if day.usage is not None else day.export or 0.0)  # noqa: RUF001


def _footer(seen: Summary) -> str:
    zone = next((view.zone for view in seen.meters if view.meter), UTC)
    return (
        f"<footer><p>As of {time(seen.now, zone, seen.now)}; reload the page for news. Days and sums are whole local"
        " days of the co-op's zone; what the portal has not given is missing, never 0.</p>"
        "<p>README.md says what each figure means and what to do where something fails.</p></footer>"
    )
