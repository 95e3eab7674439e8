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
    Reason,
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
OTHER_TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PAGE = "<!DOCTYPE html><html>offline</html>"

REFUSED = (
    "login coop: the portal rejected the user name or password (status {}); check username and password by signing in"
)
REFUSED += " on its web page, then fix the configuration"
WANTS_SECOND_FACTOR = "login coop: the portal requires a second factor; set totp_secret to the secret of the"
WANTS_SECOND_FACTOR += " authenticator app (base32 or otpauth:// URI)"
SECOND_FACTOR_REFUSED = "login coop: the portal rejected the second factor; check totp_secret and this machine's clock"


class Gate:
    """A gate that records calls. closed: the error that every sign-in gets, if any."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.closed: PortalError | None = None

    def ask(self) -> None:
        """Wait for nothing."""

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()

    def check(self) -> None:
        self.told.append("check")
        if self.closed:
            raise self.closed

    def rejected(self, reason: Reason) -> None:
        self.told.append(reason.value)

    def accepted(self) -> None:
        self.told.append("accepted")


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def transport(clock: ManualClock) -> Iterator[Transport]:
    with closing(Transport(URL, clock, lambda *_: None)) as made:
        yield made


@pytest.fixture
def login() -> Login:
    return login_of(URL, password="Secret-4-me")


@pytest.mark.parametrize(
    ("url", "password"),
    [(URL, PLACEHOLDER), (URL, DEMO_PASSWORD), ("http://127.0.0.1:9", PLACEHOLDER)],
)
def test_example_password_is_never_sent(
    url: str, password: str, gate: Gate, transport: Transport, requests_mock: requests_mock.Mocker
) -> None:
    with pytest.raises(CredentialsError) as caught:
        sign_in(login_of(url, password=password), transport, gate, lambda: NOW)
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


@pytest.mark.parametrize(
    "password",
    [
        *("&", "$", "*", "#", "+", "%", " ", "é", "日本", '"', "'", ";", "=", "\\", "/", "?"),
        "a&password=b",
        "p%40ss%",
        " with ends ",
        "&$*#+% é日本\"'",
    ],
)
def test_password_with_special_characters_signs_in(
    clock: ManualClock, gate: Gate, start_portal: StartPortal, password: str
) -> None:
    user = UserSpec(password=password)
    server = start_portal(World(users=(user,), locations=(HOUSE,)))

    sign_in_to(server, login_of(server, user), gate, clock)

    assert gate.told == ["check", "accepted"]
    assert server.portal.calls == {("auth", 200): 1}


def test_user_name_with_special_characters_signs_in(clock: ManualClock, gate: Gate, start_portal: StartPortal) -> None:
    user = UserSpec(username="first+tag&more%@example.org")
    server = start_portal(World(users=(user,), locations=(HOUSE,)))

    sign_in_to(server, login_of(server, user), gate, clock)

    assert gate.told == ["check", "accepted"]


def test_only_two_fields_are_sent_without_a_second_factor(
    login: Login, gate: Gate, transport: Transport, requests_mock: requests_mock.Mocker
) -> None:
    requests_mock.post(SIGN_IN, text=success())

    sign_in(replace(login, password=Secret("a b&c")), transport, gate, lambda: NOW)

    (sent,) = requests_mock.request_history
    assert sent.body == "userId=member%40example.org&password=a+b%26c"
    assert not sent.query
    assert "Authorization" not in sent.headers


@pytest.mark.parametrize(
    "secret",
    [
        TOTP,
        TOTP.lower(),
        "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
        f"otpauth://totp/Coop:member?secret={TOTP}&issuer=Coop",
    ],
)
def test_second_factor_is_the_current_code(
    clock: ManualClock, gate: Gate, start_portal: StartPortal, secret: str
) -> None:
    user = UserSpec(totp_secret=TOTP)
    server = start_portal(World(users=(user,), locations=(HOUSE,)))
    clock.advance(12345)

    sign_in_to(server, login_of(server, replace(user, totp_secret=secret)), gate, clock)

    assert gate.told == ["check", "accepted"]


def test_second_factor_has_its_own_field(
    login: Login, gate: Gate, transport: Transport, requests_mock: requests_mock.Mocker
) -> None:
    requests_mock.post(SIGN_IN, text=success())

    sign_in(replace(login, password=Secret("p"), totp_secret=Secret(TOTP)), transport, gate, lambda: 1111111109.9)

    (sent,) = requests_mock.request_history
    assert sent.body == "userId=member%40example.org&password=p&twoFactorCode=081804"


def test_second_factor_of_80_bits_signs_in(clock: ManualClock, gate: Gate, start_portal: StartPortal) -> None:
    user = UserSpec(totp_secret="JBSWY3DPEHPK3PXP")
    server = start_portal(World(users=(user,), locations=(HOUSE,)))

    sign_in_to(server, login_of(server, user), gate, clock)

    assert gate.told == ["check", "accepted"]


# -- the token


def test_secondary_login_acts_for_the_owner(clock: ManualClock, gate: Gate, start_portal: StartPortal) -> None:
    user = UserSpec(username="second@example.org", owner="member@example.org")
    server = start_portal(World(users=(UserSpec(), user), locations=(HOUSE,)))

    assert sign_in_to(server, login_of(server, user), gate, clock).owner == "member@example.org"


@pytest.mark.parametrize("owner", [None, "", 7.5, []])
def test_login_without_an_owner_acts_for_itself(
    login: Login, gate: Gate, transport: Transport, requests_mock: requests_mock.Mocker, owner: object
) -> None:
    requests_mock.post(SIGN_IN, text=success(primaryUsername=owner))

    assert sign_in(login, transport, gate, lambda: NOW).owner == "member@example.org"


@pytest.mark.parametrize(
    ("fields", "life"),
    [
        ({}, 299),
        ({"expiresIn": 120}, 120),
        ({"expiresIn": None, "expiration": NOW + 250}, 250),
        ({"expiresIn": None, "expiration": (NOW + 250) * 1000}, 250),
        ({"expiresIn": None, "expiration": None}, 299),
        ({"expiresIn": 0, "expiration": None}, 299),
        ({"expiresIn": -5, "expiration": None}, 299),
        ({"expiresIn": True, "expiration": None}, 299),
        ({"expiresIn": "soon", "expiration": "later"}, 299),
        ({"expiresIn": None, "expiration": NOW - 10}, 299),
        ({"expiresIn": 299, "expiration": NOW + 7200}, 299),
    ],
)
def test_token_is_valid_as_long_as_the_portal_says(  # noqa: PLR0917 - fixtures
    login: Login,
    gate: Gate,
    transport: Transport,
    requests_mock: requests_mock.Mocker,
    fields: dict[str, object],
    life: float,
) -> None:
    requests_mock.post(SIGN_IN, text=success(**fields))

    assert sign_in(login, transport, gate, lambda: NOW) == Token("the-token", "member@example.org", NOW + life)


def test_token_is_not_in_its_repr() -> None:
    assert repr(Token("abc", "member@example.org", 1.0)) == "<token>"


# -- rejections


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"status": "FAILURE", "isBusinessUser": False}, "200, FAILURE"),
        (200, {"status": "LOCKED_OUT", "authorizationToken": "", "message": ""}, "200, LOCKED_OUT"),
        (200, {"status": "FAILURE", "authorizationToken": "something"}, "200, FAILURE"),
        (200, {"isBusinessUser": False}, "200"),
        (200, {"status": "no such user: member@example.org"}, "200"),
        (400, None, "400"),
        (401, None, "401"),
    ],
)
def test_rejected_credentials_are_counted_and_reported(  # noqa: PLR0917 - fixtures
    login: Login,
    gate: Gate,
    transport: Transport,
    requests_mock: requests_mock.Mocker,
    status: int,
    body: object,
    said: str,
) -> None:
    requests_mock.post(SIGN_IN, status_code=status, text="" if body is None else json.dumps(body))
    requests_mock.get(METHOD, text='"NONE"')

    with pytest.raises(CredentialsError) as caught:
        sign_in(login, transport, gate, lambda: NOW)

    assert str(caught.value) == REFUSED.format(said)
    assert gate.told == ["check", "credentials"]


@pytest.mark.parametrize(
    "body",
    [
        "Your data could not be verified. Please contact customer service.",
        "  your DATA could not be verified",
        '{"message": "Your data could not be verified. Call us."}',
    ],
)
@pytest.mark.parametrize(("totp", "message"), [(None, WANTS_SECOND_FACTOR), (TOTP, SECOND_FACTOR_REFUSED)])
def test_known_text_with_status_500_means_second_factor(  # noqa: PLR0917 - fixtures
    login: Login,
    gate: Gate,
    transport: Transport,
    requests_mock: requests_mock.Mocker,
    body: str,
    totp: str | None,
    message: str,
) -> None:
    requests_mock.post(SIGN_IN, status_code=500, text=body)

    with pytest.raises(TwoFactorError) as caught:
        sign_in(replace(login, totp_secret=Secret(totp) if totp else None), transport, gate, lambda: NOW)

    assert str(caught.value) == message
    assert gate.told == ["check", "two_factor"]
    assert len(requests_mock.request_history) == 1


def test_wrong_second_factor_is_rejected(clock: ManualClock, gate: Gate, start_portal: StartPortal) -> None:
    server = start_portal(World(users=(UserSpec(totp_secret=TOTP),), locations=(HOUSE,)))

    with pytest.raises(TwoFactorError) as caught:
        sign_in_to(server, login_of(server, UserSpec(totp_secret=OTHER_TOTP)), gate, clock)

    assert str(caught.value) == SECOND_FACTOR_REFUSED
    assert gate.told == ["check", "two_factor"]


def test_rejection_asks_for_a_required_second_factor(
    login: Login, gate: Gate, transport: Transport, requests_mock: requests_mock.Mocker
) -> None:
    requests_mock.post(SIGN_IN, text='{"status": "FAILURE", "isBusinessUser": false}')
    requests_mock.get(METHOD, text='"TOTP"')

    with pytest.raises(TwoFactorError) as caught:
        sign_in(login, transport, gate, lambda: NOW)

    assert str(caught.value) == WANTS_SECOND_FACTOR
    assert gate.told == ["check", "two_factor"]
    assert requests_mock.request_history[1].qs == {"userid": ["member@example.org"]}


@pytest.mark.parametrize(
    "answer",
    [
        {"text": '"NONE"'},
        {"text": PAGE},
        {"text": "nonsense"},
        {"text": '{"method": "TOTP"}'},
        {"status_code": 404, "text": PAGE},
        {"status_code": 500},
        {"status_code": 503},
        {"status_code": 302},
        {"exc": requests.ConnectionError},
    ],
    ids=str,
)
def test_rejection_without_second_factor_is_the_password(
    login: Login, gate: Gate, transport: Transport, requests_mock: requests_mock.Mocker, answer: dict[str, object]
) -> None:
    requests_mock.post(SIGN_IN, status_code=401)
    requests_mock.get(METHOD, **answer)  # type: ignore[arg-type]

    with pytest.raises(CredentialsError) as caught:
        sign_in(login, transport, gate, lambda: NOW)

    assert str(caught.value) == REFUSED.format("401")
    assert gate.told == ["check", "credentials"]


def test_rejection_with_second_factor_is_the_password(
    login: Login, gate: Gate, transport: Transport, requests_mock: requests_mock.Mocker
) -> None:
    requests_mock.post(SIGN_IN, text='{"status": "FAILURE"}')

    with pytest.raises(CredentialsError) as caught:
        sign_in(replace(login, totp_secret=Secret(TOTP)), transport, gate, lambda: NOW)

    assert str(caught.value) == REFUSED.format("200, FAILURE")
    assert len(requests_mock.request_history) == 1


# -- errors that are not rejections


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
                "login coop: the portal blocked this sign-in (status 403); sign in on its web page from the same"
                " network; it may block this IP address or ask you to accept new terms"
            ),
        ),
        (
            {"status_code": 404, "text": PAGE},
            ProtocolError,
            "login coop: unexpected status 404 of the sign-in; check api_url",
        ),
        (
            {"status_code": 500, "text": "Internal error"},
            TransportError,
            "login coop: the portal's sign-in is failing (status 500); try again later",
        ),
        ({"text": "nonsense"}, ProtocolError, "login coop: sign-in: the portal's response is not JSON (8 bytes)"),
        ({"text": '["SUCCESS"]'}, ProtocolError, "login coop: unexpected response to the sign-in"),
        ({"text": "null"}, ProtocolError, "login coop: unexpected response to the sign-in"),
        (
            {"text": '{"status": "SUCCESS"}'},
            ProtocolError,
            "login coop: the portal accepted the sign-in but returned no token",
        ),
        ({"status_code": 302}, TransportError, f"{HOST} redirects elsewhere (status 302); check api_url"),
        ({"status_code": 429}, TransportError, f"{HOST} is busy or down (auth: status 429); try again later"),
        ({"status_code": 503}, TransportError, f"{HOST} is busy or down (auth: status 503); try again later"),
        ({"exc": requests.ReadTimeout}, TransportError, f"{HOST} did not answer in time; try again later"),
        (
            {"exc": requests.ConnectionError},
            TransportError,
            f"cannot reach {HOST}, or the connection was lost; check api_url and the network",
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_other_errors_are_not_counted(  # noqa: PLR0917 - fixtures
    login: Login,
    gate: Gate,
    transport: Transport,
    requests_mock: requests_mock.Mocker,
    answer: dict[str, object],
    kind: type[PortalError],
    message: str,
) -> None:
    requests_mock.post(SIGN_IN, **answer)  # type: ignore[arg-type]

    with pytest.raises(kind) as caught:
        sign_in(login, transport, gate, lambda: NOW)

    assert type(caught.value) is kind
    assert str(caught.value) == message
    assert gate.told == ["check"]
    assert len(requests_mock.request_history) == 1


@pytest.mark.parametrize("how", [each for each in SignIn if each is not SignIn.OK])
def test_no_message_contains_password_or_user_name(
    clock: ManualClock, gate: Gate, portal: PortalServer, how: SignIn
) -> None:
    change(portal, sign_in=how)

    with pytest.raises(PortalError) as caught:
        sign_in_to(portal, login_of(portal, password="Swordfish7"), gate, clock)

    message = str(caught.value)
    assert "\n" not in message
    assert not [word for word in ("Swordfish7", "member", "@") if word in message]


def test_closed_gate_prevents_any_call(
    login: Login, gate: Gate, transport: Transport, requests_mock: requests_mock.Mocker
) -> None:
    gate.closed = CredentialsError("paused")

    with pytest.raises(CredentialsError, match=r"^paused$"):
        sign_in(login, transport, gate, lambda: NOW)

    assert gate.told == ["check"]
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
        {"text": '{"status": "INVALID_TOKEN", "authorizationToken": ""}'},
        {"text": '{"status": "INVALID_TOKEN", "authorizationToken": "x"}'},
        {"text": "[]"},
        {"text": "nonsense"},
        {"text": PAGE},
        {"status_code": 401},
        {"status_code": 404, "text": PAGE},
        {"status_code": 429},
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


def skewed(transport: Transport, login: Login, mocker: requests_mock.Mocker, ahead: float) -> str:
    """Return the message for a rejected second factor if our clock is ahead by this many seconds."""
    date = formatdate(NOW - ahead, usegmt=True)
    body = "Your data could not be verified. Please contact customer service."
    mocker.post(SIGN_IN, status_code=500, text=body, headers={"Date": date})
    with pytest.raises(TwoFactorError) as caught:
        sign_in(replace(login, totp_secret=Secret(TOTP)), transport, Gate(), lambda: float(NOW))
    return str(caught.value)


@pytest.mark.parametrize(("ahead", "words"), [(90, "90 s ahead of"), (-3600, "3600 s behind"), (26, "26 s ahead of")])
def test_wrong_clock_is_named_as_the_cause(
    login: Login, transport: Transport, requests_mock: requests_mock.Mocker, ahead: int, words: str
) -> None:
    assert skewed(transport, login, requests_mock, ahead) == (
        f"login coop: the portal rejected the second factor; fix this machine's clock, which is {words} the portal's"
    )


@pytest.mark.parametrize("ahead", [0, 20, -20])
def test_small_clock_difference_is_only_a_possible_cause(
    login: Login, transport: Transport, requests_mock: requests_mock.Mocker, ahead: int
) -> None:
    assert skewed(transport, login, requests_mock, ahead) == SECOND_FACTOR_REFUSED


def test_simulated_portal_with_another_clock_shows_it(gate: Gate, clock: ManualClock, portal: PortalServer) -> None:
    portal.portal.world = World(users=(UserSpec(totp_secret=TOTP),), locations=(HOUSE,))
    ours = ManualClock(NOW + 300)
    with pytest.raises(TwoFactorError, match="clock, which is 300 s ahead of the portal's"):
        sign_in_to(portal, login_of(portal, UserSpec(totp_secret=TOTP)), gate, ours)


def test_clock_is_not_blamed_without_a_second_factor(
    login: Login, transport: Transport, requests_mock: requests_mock.Mocker
) -> None:
    date = formatdate(NOW - 9999, usegmt=True)
    requests_mock.post(SIGN_IN, status_code=500, text="Your data could not be verified", headers={"Date": date})
    with pytest.raises(TwoFactorError) as caught:
        sign_in(login, transport, Gate(), lambda: float(NOW))
    assert str(caught.value) == WANTS_SECOND_FACTOR
