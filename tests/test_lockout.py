"""Tests that rejected sign-ins never lock an account (docs/portal.md, "Rejected sign-ins")."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Login, Secret, portal_address
from exporter.errors import CredentialsError, PortalError, Reason, TwoFactorError
from exporter.lockout import Lockout
from exporter.portal.client import PortalClient
from exporter.portal.http import Transport
from exporter.portal.signin import sign_in
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import SignIn
from exporter.simulator.specs import UserSpec
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from .support.clocks import ManualClock
from .support.portal import StartPortal, change, login_of
from .support.portal_answers import examples
from .support.worlds import DAY, HOUSE, NOW

URL = "https://novec.smarthub.coop"
TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
OTHER_TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
HOUR = 3600
MEMBER = "member@example.org"

PAUSED = "login coop: sign-ins are paused: the portal rejected {} {} times in a row and locks accounts after five;"
PAUSED += " {} to sign in at once; otherwise {}"
TOMORROW = "the next attempt is after 2026-01-15 17:00 UTC"

StartState = Callable[[], StateFile]


@pytest.fixture
def start_state(tmp_path: Path) -> Iterator[StartState]:
    """Open the same state again, like a restart or another command."""
    with ExitStack() as stack:

        def start() -> StateFile:
            return stack.enter_context(closing(StateFile(tmp_path)))

        yield start


@pytest.fixture
def login() -> Login:
    return replace(login_of(URL), totp_secret=Secret(TOTP))


@pytest.fixture
def lockout(login: Login, start_state: StartState, clock: ManualClock) -> Lockout:
    return Lockout(login, start_state(), clock)


def is_open(lockout: Lockout) -> bool:
    try:
        lockout.check()
    except PortalError:
        return False
    return True


# -- the limit


def test_one_more_attempt_is_allowed_a_day_later(lockout: Lockout, clock: ManualClock) -> None:
    lockout.rejected(Reason.CREDENTIALS)
    lockout.rejected(Reason.CREDENTIALS)
    clock.advance(DAY - 1)
    assert not is_open(lockout)
    clock.advance(1)
    assert is_open(lockout)
    lockout.rejected(Reason.CREDENTIALS)

    for days in (0, 1, 2, 30, 365, 3650):
        clock.advance(days * DAY)
        assert not is_open(lockout)


def test_day_counts_from_the_second_rejection(lockout: Lockout, clock: ManualClock) -> None:
    lockout.rejected(Reason.CREDENTIALS)
    clock.advance(5 * DAY)
    assert is_open(lockout)
    lockout.rejected(Reason.CREDENTIALS)
    clock.advance(DAY - 1)
    assert not is_open(lockout)
    clock.advance(1)
    assert is_open(lockout)


@pytest.mark.parametrize(
    ("reason", "kind", "what"),
    [
        (Reason.CREDENTIALS, CredentialsError, "the user name or password"),
        (Reason.TWO_FACTOR, TwoFactorError, "the second factor"),
    ],
)
def test_pause_says_what_was_rejected_and_when_it_ends(
    lockout: Lockout, clock: ManualClock, reason: Reason, kind: type[PortalError], what: str
) -> None:
    lockout.rejected(reason)
    lockout.rejected(reason)
    with pytest.raises(kind) as caught:
        lockout.check()
    assert str(caught.value) == PAUSED.format(what, 2, "fix the configuration", TOMORROW)

    clock.advance(DAY)
    lockout.rejected(reason)
    with pytest.raises(kind) as caught:
        lockout.check()
    assert str(caught.value) == PAUSED.format(what, 3, "fix the configuration", "there are no more attempts")


def test_pause_without_a_second_factor_asks_for_totp_secret(
    login: Login, start_state: StartState, clock: ManualClock
) -> None:
    lockout = Lockout(replace(login, totp_secret=None), start_state(), clock)
    lockout.rejected(Reason.TWO_FACTOR)
    lockout.rejected(Reason.TWO_FACTOR)

    with pytest.raises(TwoFactorError) as caught:
        lockout.check()

    assert str(caught.value) == PAUSED.format("sign-ins without a second factor", 2, "set totp_secret", TOMORROW)


def test_success_forgets_rejections(lockout: Lockout) -> None:
    lockout.rejected(Reason.CREDENTIALS)
    lockout.accepted()
    lockout.rejected(Reason.CREDENTIALS)
    assert is_open(lockout)
    lockout.rejected(Reason.CREDENTIALS)
    assert not is_open(lockout)


@pytest.mark.parametrize(
    "changes",
    [
        {"password": Secret("another")},
        {"totp_secret": Secret(OTHER_TOTP)},
        {"totp_secret": None},
        {"username": "other@example.org"},
        {"portal": portal_address("https://sawnee.smarthub.coop")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_login_or_secret_may_sign_in_at_once(
    login: Login, start_state: StartState, clock: ManualClock, changes: dict[str, object]
) -> None:
    before = Lockout(login, start_state(), clock)
    for _ in range(2):
        before.rejected(Reason.CREDENTIALS)

    after = Lockout(replace(login, **changes), start_state(), clock)  # type: ignore[arg-type]

    assert is_open(after)
    after.rejected(Reason.CREDENTIALS)
    assert is_open(after)
    after.rejected(Reason.CREDENTIALS)
    assert not is_open(after)


@pytest.mark.parametrize("changes", [{"name": "home"}, {"zone": None}, {"locations": ()}])
def test_another_name_or_zone_allows_no_new_attempts(
    login: Login, start_state: StartState, clock: ManualClock, changes: dict[str, object]
) -> None:
    before = Lockout(login, start_state(), clock)
    for _ in range(2):
        before.rejected(Reason.CREDENTIALS)

    assert not is_open(Lockout(replace(login, **changes), start_state(), clock))  # type: ignore[arg-type]


def test_rejections_survive_restarts(login: Login, start_state: StartState, clock: ManualClock) -> None:
    for _ in range(2):
        lockout = Lockout(login, start_state(), clock)
        assert is_open(lockout)
        lockout.rejected(Reason.CREDENTIALS)

    assert not is_open(Lockout(login, start_state(), clock))
    clock.advance(DAY)
    assert is_open(Lockout(login, start_state(), clock))


def test_parallel_commands_count_together(login: Login, start_state: StartState, clock: ManualClock) -> None:
    serve, backfill, check = (Lockout(login, start_state(), clock) for _ in range(3))

    serve.rejected(Reason.CREDENTIALS)
    backfill.rejected(Reason.TWO_FACTOR)

    assert [is_open(each) for each in (serve, backfill, check)] == [False, False, False]
    check.accepted()
    assert [is_open(each) for each in (serve, backfill, check)] == [True, True, True]


def test_state_contains_no_user_name_or_secrets(lockout: Lockout, login: Login, tmp_path: Path) -> None:
    lockout.rejected(Reason.CREDENTIALS)

    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    for text in (MEMBER, login.password.reveal(), TOTP):
        assert text.encode() not in stored


def test_new_secret_allows_the_old_one_no_attempts(login: Login, start_state: StartState, clock: ManualClock) -> None:
    serve = Lockout(login, start_state(), clock)
    for _ in range(2):
        serve.rejected(Reason.CREDENTIALS)

    check = Lockout(replace(login, password=Secret("still wrong")), start_state(), clock)
    assert is_open(check)
    check.rejected(Reason.CREDENTIALS)

    assert not is_open(serve)


# -- with a portal


def attempt(server: PortalServer, login: Login, folder: Path | None, clock: ManualClock) -> str:
    """Start, sign in and exit. Returns the outcome."""
    with (
        closing(StateFile(folder)) as state,
        closing(Transport(server.url, clock, lambda *_: None)) as transport,
    ):
        try:
            sign_in(login, transport, Lockout(login, state, clock), clock.now)
        except PortalError as error:
            return error.reason.value
        return "signed in"


@pytest.mark.parametrize(
    ("user", "password", "totp"),
    [
        (UserSpec(), "wrong", ""),
        (UserSpec(totp_secret=TOTP), None, OTHER_TOTP),
    ],
    ids=["password", "second factor"],
)
def test_year_of_restarts_has_three_rejections(  # noqa: PLR0917 - fixtures
    clock: ManualClock,
    start_portal: StartPortal,
    tmp_path: Path,
    user: UserSpec,
    password: str | None,
    totp: str,
) -> None:
    server = start_portal(World(users=(user,), locations=(HOUSE,)))
    login = login_of(server, replace(user, totp_secret=totp), password=password)

    for _ in range(20):
        attempt(server, login, tmp_path, clock)
        clock.advance(3 * HOUR)
    clock.advance(365 * DAY)
    attempt(server, login, tmp_path, clock)

    assert server.portal.most_refused[MEMBER] == 3
    assert sum(count for (endpoint, _), count in server.portal.calls.items() if endpoint == "auth") == 3


def test_portal_error_does_not_forget_a_rejection(clock: ManualClock, portal: PortalServer, tmp_path: Path) -> None:
    outcomes = []
    for how in (SignIn.FAILURE, SignIn.STATUS_500, SignIn.FAILURE, SignIn.PAGE, SignIn.FAILURE):
        change(portal, sign_in=how)
        outcomes.append(attempt(portal, login_of(portal), tmp_path, clock))

    assert outcomes == ["credentials", "transport", "credentials", "credentials", "credentials"]
    assert portal.portal.most_refused[MEMBER] == 2


def test_processes_at_the_same_moment_do_not_lock_the_account(
    clock: ManualClock, portal: PortalServer, tmp_path: Path
) -> None:
    StateFile(tmp_path).close()
    login = login_of(portal, password="wrong")
    together = threading.Barrier(6)

    def run() -> None:
        with closing(StateFile(tmp_path)) as state:
            client = PortalClient(login, Lockout(login, state, clock), clock, lambda *_: None)
            together.wait(10)
            with closing(client), suppress(PortalError):
                client.locations()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert portal.portal.most_refused[MEMBER] < 5


# -- properties


@pytest.mark.slow
@given(
    sequence=st.lists(st.tuples(st.sampled_from("ABCDE"), st.integers(0, 40)), max_size=40),
)
@examples
def test_no_fifth_rejection_within_a_day(sequence: list[tuple[str, int]]) -> None:
    """This holds for any passwords and any time between the attempts."""
    clock, rejections = ManualClock(NOW), [float("-inf")]
    with closing(StateFile(None)) as state:
        for password, hours in sequence:
            lockout = Lockout(replace(login_of(URL), password=Secret(password)), state, clock)
            if is_open(lockout):
                lockout.rejected(Reason.CREDENTIALS)
                rejections.append(clock.now())
            clock.advance(hours * HOUR)
    assert all(later - earlier >= DAY for earlier, later in zip(rejections, rejections[4:], strict=False))


def test_only_a_new_secret_signs_in_after_four_in_all(start_state: StartState, clock: ManualClock) -> None:
    def lockout(password: str) -> Lockout:
        return Lockout(replace(login_of(URL), password=Secret(password)), start_state(), clock)

    for password in ("one", "two", "three", "four"):
        assert is_open(lockout(password))
        lockout(password).rejected(Reason.CREDENTIALS)
    assert not is_open(lockout("five"))
    clock.advance(DAY)
    assert not is_open(lockout("one"))
    assert is_open(lockout("five"))
    lockout("five").rejected(Reason.CREDENTIALS)
    assert not is_open(lockout("six"))
