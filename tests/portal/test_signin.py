"""Tests of signing in: requests, tokens, and all kinds of rejections.

See docs/portal.md, "Signing in", and docs/portal.md, "Rejected sign-ins".
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from email.utils import formatdate

import pytest
import requests
import requests_mock

from exporter.config import Login, Secret
from exporter.config.model import DEMO_PASSWORD, PLACEHOLDER
from exporter.errors import (
    AccessError,
    CredentialsError,
    PortalError,
    ProtocolError,
    TransportError,
    TwoFactorError,
)
from exporter.portal.http import Transport
from exporter.portal.signin import Token, renew, sign_in
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import SignIn
from exporter.simulator.specs import UserSpec
from exporter.simulator.world import World

from ..support.clocks import ManualClock
from ..support.portal import StartPortal, change, login_of
from ..support.worlds import HOUSE, NOW

HOST = "novec.smarthub.coop"
URL = f"https://{HOST}"
SIGN_IN = f"{URL}/services/oauth/auth/v2"
RENEW = f"{SIGN_IN}/refresh"
METHOD = f"{URL}/services/two-factor/method"
TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238, appendix B
PAGE = "<!DOCTYPE html><html>offline</html>"

REFUSED = (
    "login coop: the portal rejected the user name or password (status {}); check username and password by signing in"
)
REFUSED += " on the SmartHub website, then fix the configuration"
WANTS_SECOND_FACTOR = "login coop: the portal requires a second factor; set totp_secret to the secret of the"
WANTS_SECOND_FACTOR += " authenticator app (base32 or otpauth:// URI)"
SECOND_FACTOR_REFUSED = "login coop: the portal rejected the second factor; check totp_secret and this machine's clock"


class Gate:
    """A gate that records calls, and signs in through itself.

    closed: the error that every sign-in gets, if any. is_doubtful: whether the last answer was unclear.
    """

    has_signed_in = False

    def __init__(self, transport: Transport) -> None:
        self.told: list[str] = []
        self.closed: PortalError | None = None
        self.is_doubtful = False
        self.transport = transport

    def sign_in(self, now: float = NOW, *, url: str = URL, password: str = "p", totp: str = "") -> Token:
        login = login_of(url, UserSpec(totp_secret=totp), password=password)
        return sign_in(login, self.transport, self, lambda: now)

    def refusal(self, totp: str = "") -> tuple[type[PortalError], str, list[str]]:
        """Sign in, and return the class and message of the error and what the gate was told."""
        with pytest.raises(PortalError) as caught:
            self.sign_in(totp=totp)
        assert caught.value.while_signing_in
        return type(caught.value), str(caught.value), self.told

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()

    def check(self, login: Login) -> bool:
        self.told.append("check")
        if self.closed:
            raise self.closed
        return self.is_doubtful

    def wait_for_code(self, interval: float) -> None:
        self.told.append(f"wait {interval}")

    def count(self, code_until: float = 0.0) -> None:
        self.told.append(f"count {code_until}".removesuffix(" 0.0"))

    def failed(self, error: PortalError) -> None:
        self.told.append(error.reason.value if error.answered else "no answer")

    def accepted(self) -> None:
        self.told.append("accepted")


@pytest.fixture
def transport(clock: ManualClock) -> Iterator[Transport]:
    with closing(Transport(URL, clock, lambda *_: None)) as made:
        yield made


@pytest.fixture
def gate(transport: Transport) -> Gate:
    return Gate(transport)


@pytest.fixture(name="requests_mock")
def mock_without_second_factor(requests_mock: requests_mock.Mocker) -> requests_mock.Mocker:
    requests_mock.get(METHOD, text='"NONE"')
    return requests_mock


@pytest.mark.parametrize(
    ("url", "password"),
    [(URL, PLACEHOLDER), (URL, DEMO_PASSWORD), ("http://127.0.0.1:9", PLACEHOLDER)],
)
def test_example_password_is_never_sent(
    url: str, password: str, gate: Gate, requests_mock: requests_mock.Mocker
) -> None:
    with pytest.raises(CredentialsError) as caught:
        gate.sign_in(url=url, password=password)
    assert str(caught.value) == (
        "login coop: the password is still the placeholder from the example; sign-in is skipped; set password"
    )
    assert (caught.value.while_signing_in, gate.told, requests_mock.call_count) == (True, [], 0)


def sign_in_to(server: PortalServer, login: Login, gate: Gate, clock: ManualClock) -> Token:
    with closing(Transport(server.url, clock, lambda *_: None)) as transport:
        return sign_in(login, transport, gate, clock.now)


def success(**fields: object) -> str:
    answer: dict[str, object] = {
        "status": "SUCCESS",
        "authorizationToken": "the-token",
        "username": "member@example.org",
        "primaryUsername": "member@example.org",
        "expiration": NOW + 299,
        "expiresIn": 299,
        "isSecondaryRegistration": False,
        "isBusinessUser": False,
    }
    return json.dumps({key: value for key, value in (answer | fields).items() if value is not None})


# -- requests


@pytest.mark.parametrize("password", [" &$*#+% é日本\"';=\\/? ", "a&password=b", "p%40ss%"])
def test_special_characters_sign_in(clock: ManualClock, gate: Gate, start_portal: StartPortal, password: str) -> None:
    user = UserSpec(username="first+tag&more%@example.org", password=password)
    server = start_portal(World(users=(user,), locations=(HOUSE,)))

    sign_in_to(server, login_of(server, user), gate, clock)

    assert gate.told == ["check", "count", "accepted"]


@pytest.mark.parametrize(("totp", "more"), [("", ""), (TOTP, "&twoFactorCode=081804")])
def test_second_factor_has_its_own_field(gate: Gate, requests_mock: requests_mock.Mocker, totp: str, more: str) -> None:
    requests_mock.post(SIGN_IN, text=success())

    gate.sign_in(1111111109.9, password="a b&c", totp=totp)

    _, sent = requests_mock.request_history
    assert (sent.body, sent.query) == (f"userId=member%40example.org&password=a+b%26c{more}", "")
    assert gate.told[1:-1] == (["wait 30", "count 1111111110"] if totp else ["count"])
    assert "Authorization" not in sent.headers


# -- the token


def test_secondary_login_acts_for_the_owner(clock: ManualClock, gate: Gate, start_portal: StartPortal) -> None:
    user = UserSpec(username="second@example.org", owner="member@example.org")
    server = start_portal(World(users=(UserSpec(), user), locations=(HOUSE,)))

    assert sign_in_to(server, login_of(server, user), gate, clock).owner == "member@example.org"


@pytest.mark.parametrize(
    ("fields", "life"),
    [
        ({"expiresIn": 120, "primaryUsername": ""}, 120),
        ({"expiresIn": None, "expiration": NOW + 250, "primaryUsername": None}, 250),
        ({"expiresIn": None, "expiration": (NOW + 250) * 1000, "primaryUsername": 7.5}, 250),
        ({"expiresIn": 0, "expiration": None}, 299),
        ({"expiresIn": float("nan"), "expiration": None}, 299),
        ({"expiresIn": -5, "expiration": NOW - 10}, 299),
        ({"expiresIn": True, "expiration": "later"}, 299),
        ({"expiresIn": 299, "expiration": NOW + 7200}, 299),
    ],
)
def test_token_has_an_owner_and_a_life(
    gate: Gate, requests_mock: requests_mock.Mocker, fields: dict[str, object], life: float
) -> None:
    requests_mock.post(SIGN_IN, text=success(**fields))

    assert gate.sign_in() == Token("the-token", "member@example.org", NOW + life)


def test_token_is_not_in_its_repr() -> None:
    assert repr(Token("abc", "member@example.org", 1.0)) == "<token>"


# -- rejections


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, '{"status": "LOCKED_OUT", "authorizationToken": "", "message": ""}', "200, LOCKED_OUT"),
        (200, '{"status": "FAILURE", "authorizationToken": "something"}', "200, FAILURE"),
        (200, '{"isBusinessUser": false}', "200"),
        (200, '{"status": "no such user: member@example.org"}', "200"),
        (400, "", "400"),
        (401, "", "401"),
    ],
)
def test_rejected_credentials_are_counted_and_reported(
    gate: Gate, requests_mock: requests_mock.Mocker, status: int, body: str, said: str
) -> None:
    requests_mock.post(SIGN_IN, status_code=status, text=body)

    assert gate.refusal() == (CredentialsError, REFUSED.format(said), ["check", "count", "credentials"])


@pytest.mark.parametrize(
    ("totp", "date", "message"),
    [("", formatdate(NOW - 9999, usegmt=True), WANTS_SECOND_FACTOR), (TOTP, "", SECOND_FACTOR_REFUSED)],
)
def test_known_text_with_status_500_means_second_factor(
    gate: Gate, requests_mock: requests_mock.Mocker, totp: str, date: str, message: str
) -> None:
    body = '{"message": " your DATA could not be verified. Call us."}'
    requests_mock.post(SIGN_IN, status_code=500, text=body, headers={"Date": date})

    assert gate.refusal(totp)[:2] == (TwoFactorError, message)
    assert gate.told[-1] == "two_factor"


def test_rejection_asks_for_a_required_second_factor(gate: Gate, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.post(SIGN_IN, text='{"status": "FAILURE", "isBusinessUser": false}')
    requests_mock.get(METHOD, text='"TOTP"')

    assert gate.refusal() == (TwoFactorError, WANTS_SECOND_FACTOR, ["check", "count", "two_factor"])
    assert requests_mock.request_history[0].qs == {"userid": ["member@example.org"]}


@pytest.mark.parametrize(
    "answer",
    [{"text": PAGE}, {"text": '{"method": "TOTP"}'}, {"status_code": 404, "text": '"TOTP"'}, {"status_code": 302}],
    ids=str,
)
def test_rejection_without_second_factor_is_the_password(
    gate: Gate, requests_mock: requests_mock.Mocker, answer: dict[str, object]
) -> None:
    requests_mock.post(SIGN_IN, status_code=401)
    requests_mock.get(METHOD, **answer)  # type: ignore[arg-type]

    assert gate.refusal() == (CredentialsError, REFUSED.format("401"), ["check", "count", "credentials"])


def test_rejection_with_second_factor_is_the_password(gate: Gate, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.post(SIGN_IN, text='{"status": "FAILURE"}')

    assert gate.refusal(TOTP)[:2] == (CredentialsError, REFUSED.format("200, FAILURE"))


@pytest.mark.parametrize("totp", ["", TOTP])
@pytest.mark.parametrize("word", ["EMAIL", "e-mail", "SMS", "TEXT_MESSAGE", "PHONE", "VOICE_CALL"])
def test_codes_in_messages_stop_before_a_sign_in(
    gate: Gate, requests_mock: requests_mock.Mocker, word: str, totp: str
) -> None:
    requests_mock.get(METHOD, json=word)

    assert gate.refusal(totp)[0] is TwoFactorError
    assert (gate.told, requests_mock.call_count) == (["check"], 1)


def test_codes_in_messages_are_named_with_what_to_do(gate: Gate, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.get(METHOD, json="EMAIL")

    assert gate.refusal()[1] == (
        "login coop: the portal sends its one-time codes in messages (EMAIL), which the exporter cannot read; switch to"
        " an authenticator app in the portal's settings (docs/two-factor.md)"
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"text": '{"status": "FAILURE"}'}, REFUSED.format("200, FAILURE, method PUSH")),
        (
            {"status_code": 500, "text": "Your data could not be verified."},
            WANTS_SECOND_FACTOR.replace("second factor;", "second factor (PUSH);"),
        ),
    ],
    ids=["FAILURE", "500"],
)
def test_unknown_method_is_named_in_a_rejection(
    gate: Gate, requests_mock: requests_mock.Mocker, answer: dict[str, object], message: str
) -> None:
    requests_mock.get(METHOD, json="push")
    requests_mock.post(SIGN_IN, **answer)  # type: ignore[arg-type]

    assert gate.refusal()[1] == message


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            {"text": PAGE},
            TransportError,
            (
                "login coop: sign-in: the portal sent a web page instead of data (status 200); it may be down for"
                " maintenance, or api_url is not a SmartHub portal"
            ),
        ),
        (
            {"status_code": 403, "text": "The current user does not have access to make this service call"},
            AccessError,
            (
                "login coop: the portal blocked this sign-in (status 403); sign in on the SmartHub website from the"
                " same network; it may block this IP address or ask you to accept new terms"
            ),
        ),
        (
            {"status_code": 404, "text": PAGE},
            ProtocolError,
            "login coop: unexpected response to the sign-in (status 404); check api_url",
        ),
        (
            {"status_code": 500, "text": "Internal error"},
            TransportError,
            "login coop: the portal's sign-in is failing (status 500); try again later",
        ),
        ({"status_code": 302}, TransportError, f"{HOST} redirects to another address (status 302); check api_url"),
        ({"text": "nonsense"}, ProtocolError, "login coop: sign-in: the portal's response is not JSON (8 bytes)"),
        ({"text": '["SUCCESS"]'}, ProtocolError, "login coop: unexpected response to the sign-in"),
        (
            {"text": '{"status": "SUCCESS"}'},
            ProtocolError,
            "login coop: the portal accepted the sign-in but returned no token",
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_unclear_answers_count_with_their_own_reason(
    gate: Gate, requests_mock: requests_mock.Mocker, answer: dict[str, object], kind: type[PortalError], message: str
) -> None:
    requests_mock.post(SIGN_IN, **answer)  # type: ignore[arg-type]

    assert gate.refusal() == (kind, message, ["check", "count", kind.reason.value])


@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 429},
        {"status_code": 502},
        {"status_code": 503},
        {"status_code": 504},
        {"exc": requests.ConnectionError},
        {"exc": requests.ConnectTimeout},
        {"exc": requests.ReadTimeout},
    ],
    ids=str,
)
def test_no_answer_is_not_counted(gate: Gate, requests_mock: requests_mock.Mocker, answer: dict[str, object]) -> None:
    requests_mock.post(SIGN_IN, **answer)  # type: ignore[arg-type]

    assert (gate.refusal()[0], gate.told) == (TransportError, ["check", "count", "no answer"])


def test_answer_that_breaks_off_counts(gate: Gate, portal: PortalServer, clock: ManualClock) -> None:
    change(portal, sign_in=SignIn.CUT_OFF)

    with pytest.raises(TransportError):
        sign_in_to(portal, login_of(portal), gate, clock)

    assert gate.told == ["check", "count", "transport"]


def test_bug_while_signing_in_leaves_it_counted(gate: Gate, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.post(SIGN_IN, exc=ZeroDivisionError)

    with pytest.raises(ZeroDivisionError):
        gate.sign_in()

    assert gate.told == ["check", "count"]


@pytest.mark.parametrize("answer", [{"status_code": 500}, {"text": PAGE}, {"status_code": 503}], ids=str)
def test_portal_that_is_down_gets_no_second_sign_in(
    gate: Gate, requests_mock: requests_mock.Mocker, answer: dict[str, object]
) -> None:
    requests_mock.get(METHOD, **answer)  # type: ignore[arg-type]
    gate.is_doubtful = True

    assert gate.refusal()[0] is TransportError
    assert (gate.told, requests_mock.call_count) == (["check"], 1)


@pytest.mark.parametrize("answer", [{"status_code": 500}, {"text": PAGE}], ids=str)
def test_method_that_fails_alone_prevents_nothing(
    gate: Gate, requests_mock: requests_mock.Mocker, answer: dict[str, object]
) -> None:
    requests_mock.get(METHOD, **answer)  # type: ignore[arg-type]
    requests_mock.post(SIGN_IN, text=success())

    assert gate.sign_in().value == "the-token"


@pytest.mark.parametrize("life", ["1e999", "-1e999", "NaN", "9" * 400, "1e300"])
@pytest.mark.parametrize("key", ["expiresIn", "expiration"])
def test_absurd_life_of_a_token_is_a_day_at_most(
    gate: Gate, requests_mock: requests_mock.Mocker, key: str, life: str
) -> None:
    requests_mock.post(SIGN_IN, text=f'{{"status": "SUCCESS", "authorizationToken": "x", "{key}": {life}}}')

    assert 0 < gate.sign_in().expires_at - NOW <= 86400


def test_absurd_date_of_a_rejection_leaves_it_counted(gate: Gate, requests_mock: requests_mock.Mocker) -> None:
    headers = {"Date": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}
    requests_mock.post(SIGN_IN, status_code=500, text="Your data could not be verified.", headers=headers)

    assert gate.refusal(TOTP)[1] == SECOND_FACTOR_REFUSED
    assert gate.told[-1] == "two_factor"


def test_secret_files_are_read_again_at_each_sign_in(gate: Gate, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.post(SIGN_IN, text=success())
    texts = iter(["new", "newer"])
    login = replace(login_of(URL), password=Secret("old", lambda: next(texts)))

    for _ in range(2):
        sign_in(login, gate.transport, gate, lambda: NOW)

    sent = [each.body.partition("password=")[2] for each in requests_mock.request_history if each.method == "POST"]
    assert sent == ["new", "newer"]


@pytest.mark.parametrize("how", [each for each in SignIn if each not in (SignIn.OK, SignIn.COOKIE)])
def test_no_message_contains_password_or_user_name(
    clock: ManualClock, gate: Gate, portal: PortalServer, how: SignIn
) -> None:
    change(portal, sign_in=how)

    with pytest.raises(PortalError) as caught:
        sign_in_to(portal, login_of(portal, password="Swordfish7"), gate, clock)

    message = str(caught.value)
    assert "\n" not in message
    assert not [word for word in ("Swordfish7", "member", "@") if word in message]


def test_closed_gate_prevents_any_call(gate: Gate, requests_mock: requests_mock.Mocker) -> None:
    gate.closed = CredentialsError("paused")

    assert gate.refusal() == (CredentialsError, "paused", ["check"])
    assert not requests_mock.called


# -- renewing


def test_renewal_returns_the_next_token(transport: Transport, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.post(RENEW, text=success(authorizationToken="next", expiresIn=200, primaryUsername="o@example.org"))

    renewed = renew(Token("a+b&c", "o@example.org", NOW + 20), transport, NOW)

    assert renewed == Token("next", "o@example.org", NOW + 200)
    assert requests_mock.request_history[0].body == "token=a%2Bb%26c"


def test_renewed_token_keeps_its_owner(transport: Transport, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.post(RENEW, text=success(primaryUsername=None))

    assert renew(Token("a", "owner@example.org", NOW + 20), transport, NOW) == Token(
        "the-token", "owner@example.org", NOW + 299
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 500},
        {"text": '{"isBusinessUser": false}'},
        {"text": '{"status": "INVALID_TOKEN", "authorizationToken": "x"}'},
        {"text": "[]"},
        {"text": PAGE},
        {"exc": requests.ConnectionError},
    ],
    ids=str,
)
def test_failed_renewal_returns_none(
    transport: Transport, requests_mock: requests_mock.Mocker, answer: dict[str, object]
) -> None:
    requests_mock.post(RENEW, **answer)  # type: ignore[arg-type]

    assert renew(Token("a", "member@example.org", NOW + 20), transport, NOW) is None


# -- wrong clocks

REJECTED = "login coop: the portal rejected the second factor; fix this machine's clock, which is {} the portal's"


@pytest.mark.parametrize(
    ("ahead", "message"),
    [
        (26, REJECTED.format("26 s ahead of")),
        (-3600, REJECTED.format("3600 s behind")),
        (20, SECOND_FACTOR_REFUSED),
        (-20, SECOND_FACTOR_REFUSED),
    ],
)
def test_wrong_clock_is_named_as_the_cause(
    gate: Gate, requests_mock: requests_mock.Mocker, ahead: int, message: str
) -> None:
    headers = {"Date": formatdate(NOW - ahead, usegmt=True)}
    requests_mock.post(SIGN_IN, status_code=500, text="Your data could not be verified.", headers=headers)

    assert gate.refusal(TOTP)[1] == message


def test_simulated_portal_with_another_clock_shows_it(gate: Gate, portal: PortalServer) -> None:
    user = UserSpec(totp_secret=TOTP)
    portal.portal.world = World(users=(user,), locations=(HOUSE,))
    with pytest.raises(TwoFactorError, match="clock, which is 300 s ahead of the portal's"):
        sign_in_to(portal, login_of(portal, user), gate, ManualClock(NOW + 300))
