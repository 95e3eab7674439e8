"""The simulated portal: sign-in, lockout, tokens, accounts and the usage poll, as in docs/portal.md."""

import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ..clock import Clock
from ..config import second_factor
from .answers import usage_answer
from .coops import LOADING, coop, find_coops
from .points import Question
from .settings import Hourly, Poll, Search, Settings, SignIn
from .specs import LocationSpec, MeterSpec, UserSpec
from .truth import Almanac, Truth
from .userdata import user_data
from .world import World

_LOCKOUT = 5
_INDUSTRIES = ("ELECTRIC", "WATER", "GAS")
_PAGE = b"<!DOCTYPE html><html><body>SmartHub is currently offline</body></html>"
_UI = b"<!DOCTYPE html><html><head><title>SmartHub</title></head><body></body></html>"
_FOREIGN = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Pay with SmartHub</body></html>"
_SLOWLY = 60.0  # seconds, longer than anyone waits for a name
_NO_ACCESS = b"The current user does not have access to make this service call"
Json = Any


@dataclass(frozen=True, slots=True)
class SimulatedResponse:
    """An HTTP response.

    `cut_off` breaks the connection in the middle of the body. `retry_after` is in seconds, or 0 without that header.
    `cookie` is set, if it is not empty.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    cut_off: bool = False
    retry_after: int = 0
    cookie: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request. The names of `headers` are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    form: Mapping[str, str]


def _json(value: Json) -> SimulatedResponse:
    return SimulatedResponse(200, json.dumps(value).encode())


_UNAUTHORIZED = SimulatedResponse(401, b"")
_FORBIDDEN = SimulatedResponse(403, _NO_ACCESS, "text/plain")
_INTERNAL_ERROR = SimulatedResponse(500, b"Internal error", "text/plain")
_OFFLINE = SimulatedResponse(200, _PAGE, "text/html")
_FAILURE = _json({"status": "FAILURE", "isBusinessUser": False})
_FAILED = _json({"status": "FAILED"})
_WRONG_CODE = SimulatedResponse(500, b"Your data could not be verified. Please contact customer service.", "text/plain")
_NOT_SIGNING_IN = {SignIn.STATUS_503: replace(_OFFLINE, status=503), SignIn.DOWN: _OFFLINE}
"""Responses of a portal that is busy or down, which does not count them as rejections."""
_REJECTIONS = {
    SignIn.STATUS_400: SimulatedResponse(400, b""),
    SignIn.STATUS_401: _UNAUTHORIZED,
    SignIn.STATUS_403: SimulatedResponse(403, _NO_ACCESS),
    SignIn.STATUS_404: replace(_OFFLINE, status=404),
    SignIn.STATUS_422: SimulatedResponse(422, b'{"error": "Unprocessable"}'),
    SignIn.STATUS_423: SimulatedResponse(423, b'{"error": "Locked"}'),
    SignIn.STATUS_500: _INTERNAL_ERROR,
    SignIn.PAGE: _OFFLINE,
    SignIn.TEXT: SimulatedResponse(200, b"Please try again", "text/plain"),
    SignIn.LIST: _json(["SUCCESS"]),
    SignIn.REDIRECT: SimulatedResponse(302, b""),
    SignIn.CUT_OFF: replace(_FAILURE, cut_off=True),
    SignIn.NO_TOKEN: _json({"status": "LOCKED_OUT", "message": "", "isBusinessUser": False}),
    SignIn.NO_SESSION: _json({"status": "SUCCESS", "isBusinessUser": False}),
    SignIn.SECOND_FACTOR: _WRONG_CODE,
}
"""Responses that reject the sign-in. The portal may count each of them."""
_SESSIONS = (SignIn.OK, SignIn.COOKIE)
_COOKIE = "SESSION="
_BROKEN = {
    Poll.PAGE: _OFFLINE,
    Poll.STATUS_401: _UNAUTHORIZED,
    Poll.STATUS_403: _FORBIDDEN,
    Poll.STATUS_429: SimulatedResponse(429, b"", retry_after=7),
    Poll.STATUS_500: _INTERNAL_ERROR,
    Poll.STATUS_503: replace(_OFFLINE, status=503),
    Poll.NO_JSON: SimulatedResponse(200, b'{"status": "COMPLETE", "data": '),
    Poll.WRONG_SHAPE: _json({"status": "COMPLETE", "data": {"ELECTRIC": {"type": "USAGE"}}}),
    Poll.STATUS_204: SimulatedResponse(204, b""),
    Poll.STATUS_404: replace(_OFFLINE, status=404),
}
"""Responses to a call for data, whatever is asked."""
_LISTS = _BROKEN | {
    Poll.NO_DATA: _json(None),
    Poll.NO_ENTRY: _json([]),
    Poll.NO_POINTS: _json([{"account": "55001"}]),
}
"""Responses to a call for a list of locations: no list, or one without locations."""


class SimulatedPortal:
    """A co-op's portal.

    `world`, `clock` and `settings` can be replaced at any time. `override` may answer a call in place of the portal;
    if it returns None, the portal answers. `calls` counts requests by endpoint and status.
    """

    def __init__(self, world: World, clock: Clock, settings: Settings | None = None) -> None:
        self.world = world
        self.clock = clock
        self.override: Callable[[Call], SimulatedResponse | None] = lambda _: None
        self.settings = settings or Settings()
        self.calls: Counter[tuple[str, int]] = Counter()
        self.rejected_sign_ins: Counter[str] = Counter()
        self.most_rejected: Counter[str] = Counter()
        self._tokens: dict[str, tuple[UserSpec, float]] = {}
        self._jobs: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    @property
    def almanac(self) -> Almanac:
        """What the co-op knows of its meters now."""
        return Almanac(ZoneInfo(self.world.zone), self.world.locations, self.settings, self.clock.now())

    def truth(self, meter: MeterSpec, start: int, end: int) -> Truth:
        """Return the true kWh and USD of a meter from `start` to `end` (seconds UTC), as far as they are posted."""
        return self.almanac.total(meter, start, end)

    @property
    def count(self) -> int:
        """The number of requests, without those to the simulator itself."""
        return self.calls.total()

    def respond(self, call: Call) -> SimulatedResponse:
        """Answer a request and count it."""
        if self.settings.latency:
            self.clock.sleep(self.settings.latency)
        endpoint, response = self._route(call)
        with self._lock:
            self.calls[endpoint, response.status] += 1
        return response

    def _route(self, call: Call) -> tuple[str, SimulatedResponse]:
        routes = {
            "/services/member/siteName": ("GET", "site_name", self._site_name),
            "/services/memberLookup/domain": ("GET", "member_lookup", self._member_lookup),
            "/services/memberLookup/name": ("GET", "directory", self._directory),
            "/ui/": ("GET", "ui", lambda _: SimulatedResponse(200, _UI, "text/html", cookie="XSRF-TOKEN=1; Path=/")),
            "/services/oauth/auth/v2": ("POST", "auth", self._sign_in),
            "/services/oauth/auth/v2/refresh": ("POST", "renew", self._renew),
            "/services/two-factor/method": ("GET", "two_factor", self._two_factor),
            "/services/secured/user-data": ("GET", "user_data", self._user_data),
            "/services/secured/accounts": ("GET", "accounts", self._accounts),
            "/services/secured/utility-usage/poll": ("POST", "poll", self._poll),
        }
        if self.settings.foreign:
            return "other", SimulatedResponse(200, _FOREIGN, "text/html")
        if call.path not in routes:
            return "other", replace(_OFFLINE, status=404)
        method, endpoint, handler = routes[call.path]
        if call.method != method:
            return "other", SimulatedResponse(405, b"")
        return endpoint, self.override(call) or handler(call)

    # -- names

    def _site_name(self, _: Call) -> SimulatedResponse:
        if self.settings.nameless:
            return replace(_OFFLINE, status=404)
        return SimulatedResponse(200, LOADING.format(self.world.name).encode(), "text/plain")

    def _member_lookup(self, call: Call) -> SimulatedResponse:
        if self.settings.nameless:
            return replace(_OFFLINE, status=404)
        return _json(coop(self.world.name, call.query.get("domain", "")))

    def _directory(self, call: Call) -> SimulatedResponse:
        match self.settings.directory:
            case Search.PAGE:
                return _OFFLINE
            case Search.STATUS_404:
                return replace(_OFFLINE, status=404)
            case Search.SLOW:
                self.clock.sleep(_SLOWLY)
        # The names in a real directory lead to subdomains; this one leads back here.
        here = f"http://{call.headers.get('host', '')}"
        return _json(find_coops(call.query.get("name", ""), self.settings.directory, self.world.name, here))

    # -- signing in

    def _sign_in(self, call: Call) -> SimulatedResponse:
        how = self.settings.sign_in
        if how in _NOT_SIGNING_IN:
            return _NOT_SIGNING_IN[how]
        username = call.form.get("userId", "")
        user = next((each for each in self.world.users if each.username == username), None)
        with self._lock:
            is_locked = self.rejected_sign_ins[username] >= _LOCKOUT
            if user is None or user.password != call.form.get("password") or is_locked or how not in _SESSIONS:
                rejection = _REJECTIONS.get(how, _FAILURE)
            elif user.totp_secret and not second_factor(user.totp_secret).verify(
                call.form.get("twoFactorCode", ""), for_time=int(self.clock.now()), valid_window=1
            ):
                rejection = _WRONG_CODE
            else:
                self.rejected_sign_ins[username] = 0
                return self._give_token(user)
            self.rejected_sign_ins[username] += 1
            self.most_rejected[username] = max(self.most_rejected[username], self.rejected_sign_ins[username])
            return rejection

    def _give_token(self, user: UserSpec) -> SimulatedResponse:
        token = secrets.token_urlsafe(24)
        expires_at = self.clock.now() + self.settings.token_life
        self._tokens[token] = user, expires_at
        answer: dict[str, Json] = {
            "status": "SUCCESS",
            "authorizationToken": token,
            "username": user.username,
            "primaryUsername": user.owner or user.username,
            "isSecondaryRegistration": bool(user.owner),
            "isBusinessUser": False,
        }
        if self.settings.sign_in is SignIn.COOKIE:
            del answer["authorizationToken"]
            return replace(_json(answer), cookie=f"{_COOKIE}{token}; Path=/; HttpOnly")
        if self.settings.expires_in_ms:
            return _json(answer | {"expiration": int(expires_at * 1000)})
        return _json(answer | {"expiration": int(expires_at), "expiresIn": int(self.settings.token_life)})

    def _renew(self, call: Call) -> SimulatedResponse:
        with self._lock:
            token = call.form.get("token", "")
            user = self._user_of(token)
            self._tokens.pop(token, None)
            return self._give_token(user) if user else _json({"isBusinessUser": False})

    def _two_factor(self, call: Call) -> SimulatedResponse:
        if self.settings.sign_in is SignIn.DOWN:
            return _OFFLINE
        if self.settings.second_factor_method:
            return _json(self.settings.second_factor_method)
        is_on = any(user.username == call.query.get("userId") and user.totp_secret for user in self.world.users)
        return _json("TOTP" if is_on else "NONE")

    def sign_everybody_out(self) -> None:
        """Make all tokens invalid."""
        with self._lock:
            self._tokens.clear()

    def _user_of(self, token: str) -> UserSpec | None:
        user, expires_at = self._tokens.get(token, (None, 0.0))
        return user if expires_at > self.clock.now() else None

    def _user(self, call: Call) -> UserSpec | None:
        bearer = call.headers.get("authorization", "").removeprefix("Bearer ")
        user = self._user_of(bearer or call.headers.get("cookie", "").removeprefix(_COOKIE))
        return user if user and user.username == call.headers.get("x-nisc-smarthub-username") else None

    # -- accounts

    def _user_data(self, call: Call) -> SimulatedResponse:
        if broken := _LISTS.get(self.settings.discovery):
            return broken
        user = self._user(call)
        if user is None:
            return _UNAUTHORIZED
        if call.query.get("userId") != (user.owner or user.username):
            return _FORBIDDEN
        return _json(user_data(self._visible(user), self.almanac))

    def _accounts(self, call: Call) -> SimulatedResponse:
        if broken := _LISTS.get(self.settings.accounts):
            return broken
        user = self._user(call)
        if user is None:
            return _UNAUTHORIZED
        accounts: dict[str, list[str]] = {}
        for location in self._visible(user):
            if not location.inactive:
                accounts.setdefault(location.account, []).append(location.number)
        return _json([{"account": key, "serviceLocations": value} for key, value in accounts.items()])

    def _visible(self, user: UserSpec) -> list[LocationSpec]:
        return [each for each in self.world.locations if not user.accounts or each.account in user.accounts]

    # -- the usage poll

    def _poll(self, call: Call) -> SimulatedResponse:
        settings = self.settings
        user = self._user(call)
        if user is None:
            return _UNAUTHORIZED
        if settings.poll in _BROKEN:
            return _BROKEN[settings.poll]
        try:
            question = self._question(json.loads(call.body), user)
        except (KeyError, TypeError, ValueError):
            return SimulatedResponse(400, b"")
        if question is None or question.location.number in settings.refused_locations:
            return _FORBIDDEN
        if question.time_frame == "HOURLY" and settings.hourly is not Hourly.OK:
            if settings.hourly is not Hourly.DAILY:
                return _INTERNAL_ERROR if settings.hourly is Hourly.STATUS_500 else _FAILED
            question = replace(question, time_frame="DAILY")
        return self._job(question, call.body, settings)

    def _job(self, question: Question, body: bytes, settings: Settings) -> SimulatedResponse:
        days = (question.end - question.start) / 86400
        if question.industry in settings.failing_industries:
            return _FAILED
        if settings.poll is Poll.FAILED or days > settings.longest_days + 0.5:
            return _FAILED
        if settings.poll is Poll.PENDING or days > settings.slow_days + 0.5 or self._is_pending(body):
            return _json({"status": "PENDING"})
        answer = self._answer(question, body, replace(self.almanac, settings=settings))
        padded = answer + b" " * round(days * settings.padding)
        return SimulatedResponse(200, padded, cut_off=settings.poll is Poll.CUT_OFF)

    def _answer(self, question: Question, body: bytes, almanac: Almanac) -> bytes:  # noqa: ARG002 - for subclasses
        """Return the JSON of a finished job. `body` is the question as it was sent."""
        # Several times as fast as the standard library, for megabytes.
        return msgspec.json.format(msgspec.json.encode(usage_answer(question, almanac)), indent=0)

    def _question(self, asked: dict[str, Json], user: UserSpec) -> Question | None:
        (industry,) = asked["industries"]
        if (asked["screen"], asked["userId"]) != ("USAGE_EXPLORER", user.username) or industry not in _INDUSTRIES:
            raise ValueError
        for location in self._visible(user):
            if (location.account, location.number) == (asked["accountNumber"], asked["serviceLocationNumber"]):
                start, end = int(asked["startDateTime"]) // 1000, int(asked["endDateTime"]) // 1000
                return Question(location, asked["timeFrame"], start, end, asked, industry)
        return None

    def _is_pending(self, body: bytes) -> bool:
        """Count the requests for a job, which is identified by its body (docs/portal.md, "The usage poll")."""
        with self._lock:
            self._jobs[body] += 1
            if self._jobs[body] <= self.settings.pending:
                return True
            del self._jobs[body]
            return False
