"""The simulated portal behind its HTTP server: sign-in, lockout, tokens, discovery, jobs (portal-facts 1 to 3)."""

import json
import secrets
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from ..clock import Clock
from ..config import second_factor
from .answers import Answerer, Question
from .settings import Poll, Settings, SignIn
from .specs import LocationSpec, MeterSpec, UserSpec
from .truth import Almanac, Truth
from .userdata import user_data
from .world import World

_LOCKOUT = 5
_PAGE = b"<!DOCTYPE html><html><body>SmartHub is currently offline</body></html>"
_SECOND_FACTOR = b"Your data could not be verified. Please contact customer service."
Json = Any


@dataclass(frozen=True, slots=True)
class SimulatedResponse:
    """An HTTP answer. cut_off: the connection breaks in the middle of the body."""

    status: int
    body: bytes
    content_type: str = "application/json"
    cut_off: bool = False
    retry_after: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request, as far as the portal looks at it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    form: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Token:
    user: UserSpec
    expires_at: float


class SimulatedPortal:
    """A co-op's portal. `settings` may be swapped at any time; `calls` counts requests by endpoint and status."""

    def __init__(self, world: World, clock: Clock, settings: Settings | None = None) -> None:
        self.world = world
        self.settings = settings or Settings()
        self.calls: Counter[tuple[str, int]] = Counter()
        self.rejected_sign_ins: Counter[str] = Counter()
        self.most_refused: Counter[str] = Counter()
        self.almanac = Almanac(world.zone, lambda: self.world.locations, lambda: self.settings, clock.now)
        self._clock = clock
        self._answerer = Answerer(world.zone, self.almanac)
        self._tokens: dict[str, _Token] = {}
        self._jobs: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def truth(self, meter: MeterSpec, start: int, end: int) -> Truth:
        """The exact kWh and USD of a meter from `start` to `end` (seconds UTC), as far as the portal has given them."""
        return self.almanac.total(meter, start, end)

    def now(self) -> float:
        """The portal's clock, seconds UTC."""
        return self._clock.now()

    @property
    def count(self) -> int:
        """How many requests there were, those to the simulator itself not counted."""
        return sum(self.calls.values())

    def respond(self, call: Call) -> SimulatedResponse:
        """Answer a request and count it."""
        if self.settings.latency:
            self._clock.sleep(self.settings.latency)
        endpoint, answer = self._route(call)
        with self._lock:
            self.calls[endpoint, answer.status] += 1
        return answer

    def _route(self, call: Call) -> tuple[str, SimulatedResponse]:
        routes = {
            ("POST", "/services/oauth/auth/v2"): ("auth", self._sign_in),
            ("POST", "/services/oauth/auth/v2/refresh"): ("renew", self._renew),
            ("GET", "/services/two-factor/method"): ("two_factor", self._two_factor),
            ("GET", "/services/secured/user-data"): ("user_data", self._user_data),
            ("GET", "/services/secured/accounts"): ("accounts", self._accounts),
            ("POST", "/services/secured/utility-usage/poll"): ("poll", self._poll),
        }
        if (call.method, call.path) in routes:
            endpoint, handler = routes[call.method, call.path]
            return endpoint, handler(call)
        if call.path in {path for _, path in routes}:
            return "other", SimulatedResponse(405, b"")
        return "other", SimulatedResponse(404, _PAGE, "text/html")

    # -- signing in

    def _sign_in(self, call: Call) -> SimulatedResponse:
        username, password = call.form.get("userId", ""), call.form.get("password", "")
        user = next((each for each in self.world.users if each.username == username), None)
        broken = self._broken_sign_in()
        if broken is not None:
            return broken
        with self._lock:
            locked = self.rejected_sign_ins[username] >= _LOCKOUT
            if user is None or user.password != password or locked or self.settings.sign_in is not SignIn.OK:
                return self._refuse(username)
            if user.totp_secret and not self._second_factor_fits(user, call.form.get("twoFactorCode", "")):
                self._count_refusal(username)
                return SimulatedResponse(500, _SECOND_FACTOR, "text/plain")
            self.rejected_sign_ins[username] = 0
            return self._give_token(user)

    def _broken_sign_in(self) -> SimulatedResponse | None:
        answers = {
            SignIn.STATUS_403: SimulatedResponse(
                403, b"The current user does not have access to make this service call"
            ),
            SignIn.STATUS_500: SimulatedResponse(500, b"Internal error", "text/plain"),
            SignIn.PAGE: SimulatedResponse(200, _PAGE, "text/html"),
        }
        return answers.get(self.settings.sign_in)

    def _refuse(self, username: str) -> SimulatedResponse:
        self._count_refusal(username)
        answers = {
            SignIn.STATUS_400: SimulatedResponse(400, b""),
            SignIn.STATUS_401: SimulatedResponse(401, b""),
            SignIn.NO_TOKEN: _json({"status": "LOCKED_OUT", "message": "", "isBusinessUser": False}),
            SignIn.SECOND_FACTOR: SimulatedResponse(500, _SECOND_FACTOR, "text/plain"),
        }
        return answers.get(self.settings.sign_in, _json({"status": "FAILURE", "isBusinessUser": False}))

    def _count_refusal(self, username: str) -> None:
        self.rejected_sign_ins[username] += 1
        self.most_refused[username] = max(self.most_refused[username], self.rejected_sign_ins[username])

    def _second_factor_fits(self, user: UserSpec, code: str) -> bool:
        return second_factor(user.totp_secret).verify(code, for_time=int(self._clock.now()), valid_window=1)

    def _give_token(self, user: UserSpec) -> SimulatedResponse:
        token = secrets.token_urlsafe(24)
        expires_at = self._clock.now() + self.settings.token_life
        self._tokens[token] = _Token(user, expires_at)
        answer: dict[str, Json] = {
            "status": "SUCCESS",
            "authorizationToken": token,
            "username": user.username,
            "primaryUsername": user.owner or user.username,
            "isSecondaryRegistration": bool(user.owner),
            "isBusinessUser": False,
        }
        if self.settings.expires_in_ms:
            return _json(answer | {"expiration": int(expires_at * 1000)})
        return _json(answer | {"expiration": int(expires_at), "expiresIn": int(self.settings.token_life)})

    def _renew(self, call: Call) -> SimulatedResponse:
        with self._lock:
            token = self._tokens.pop(call.form.get("token", ""), None)
            if token is None or token.expires_at <= self._clock.now():
                return _json({"isBusinessUser": False})
            return self._give_token(token.user)

    def _two_factor(self, call: Call) -> SimulatedResponse:
        wanted = [user for user in self.world.users if user.username == call.query.get("userId") and user.totp_secret]
        return _json("TOTP" if wanted else "NONE")

    def sign_everybody_out(self) -> None:
        """No token is worth anything any more."""
        with self._lock:
            self._tokens.clear()

    def _user(self, call: Call) -> UserSpec | None:
        token = self._tokens.get(call.headers.get("authorization", "").removeprefix("Bearer "))
        if token is None or token.expires_at <= self._clock.now():
            return None
        named = call.headers.get("x-nisc-smarthub-username")
        return token.user if named == token.user.username else None

    # -- discovery

    def _user_data(self, call: Call) -> SimulatedResponse:
        user = self._user(call)
        broken = _broken(self.settings.discovery)
        if user is None or broken:
            return broken or SimulatedResponse(401, b"")
        if call.query.get("userId") != (user.owner or user.username):
            return SimulatedResponse(
                403, b"The current user does not have access to make this service call", "text/plain"
            )
        zone = ZoneInfo(self.world.zone)
        return _json(user_data(self._visible(user), zone, self.settings, self._clock.now()))

    def _accounts(self, call: Call) -> SimulatedResponse:
        user = self._user(call)
        if user is None:
            return SimulatedResponse(401, b"")
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
        broken = _broken(settings.poll)
        if user is None or broken:
            return broken if user and broken else SimulatedResponse(401, b"")
        try:
            question = self._question(json.loads(call.body), user)
        except (KeyError, TypeError, ValueError):
            return SimulatedResponse(400, b"")
        if question is None or question.location.number in settings.refused_locations:
            return SimulatedResponse(
                403, b"The current user does not have access to make this service call", "text/plain"
            )
        return self._job(question, call.body, settings)

    def _job(self, question: Question, body: bytes, settings: Settings) -> SimulatedResponse:
        days = (question.end - question.start) / 86400
        if settings.poll is Poll.FAILED or days > settings.longest_days + 0.5:
            return _json({"status": "FAILED"})
        if settings.poll is Poll.PENDING or days > settings.slow_days + 0.5 or self._is_pending(body):
            return _json({"status": "PENDING"})
        answer = _json(self._answerer.answer(question, settings, self._clock.now()))
        return SimulatedResponse(200, answer.body, cut_off=settings.poll is Poll.CUT_OFF)

    def _question(self, asked: dict[str, Json], user: UserSpec) -> Question | None:
        if (
            asked["screen"] != "USAGE_EXPLORER"
            or asked["industries"] != ["ELECTRIC"]
            or asked["userId"] != user.username
        ):
            raise ValueError
        for location in self._visible(user):
            if (location.account, location.number) == (asked["accountNumber"], asked["serviceLocationNumber"]):
                start, end = int(asked["startDateTime"]) // 1000, int(asked["endDateTime"]) // 1000
                return Question(location, asked["timeFrame"], start, end, asked)
        return None

    def _is_pending(self, body: bytes) -> bool:
        """The server keys its jobs on the body: another body is another job."""
        with self._lock:
            asked = self._jobs.get(body, 0)
            if asked < self.settings.pending:
                self._jobs[body] = asked + 1
                return True
            self._jobs.pop(body, None)
            return False


def _json(value: Json) -> SimulatedResponse:
    return SimulatedResponse(200, json.dumps(value).encode())


def _broken(how: Poll) -> SimulatedResponse | None:
    answers = {
        Poll.PAGE: SimulatedResponse(200, _PAGE, "text/html"),
        Poll.STATUS_401: SimulatedResponse(401, b""),
        Poll.STATUS_403: SimulatedResponse(
            403, b"The current user does not have access to make this service call", "text/plain"
        ),
        Poll.STATUS_429: SimulatedResponse(429, b"", retry_after=7),
        Poll.STATUS_500: SimulatedResponse(500, b"Internal error", "text/plain"),
        Poll.STATUS_503: SimulatedResponse(503, _PAGE, "text/html"),
        Poll.NO_JSON: SimulatedResponse(200, b'{"status": "COMPLETE", "data": '),
        Poll.WRONG_SHAPE: _json({"status": "COMPLETE", "data": {"ELECTRIC": {"type": "USAGE"}}}),
    }
    return answers.get(how)
