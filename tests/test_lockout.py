"""Tests that rejected sign-ins never lock an account (docs/portal.md, "Rejected sign-ins")."""

import errno
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.config import Login, Secret, portal_address
from exporter.errors import (
    AccessError,
    CredentialsError,
    PortalError,
    ProtocolError,
    TransportError,
    TwoFactorError,
)
from exporter.httpcall import ClientResponse
from exporter.lockout import Lockout
from exporter.portal.client import PortalClient
from exporter.portal.http import Transport
from exporter.portal.signin import sign_in
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import SignIn
from exporter.simulator.specs import UserSpec
from exporter.simulator.world import World
from exporter.storage.sign_ins import FILE, SentSignIn, SignInFile
from exporter.storage.state import StateFile

from .support.clocks import ManualClock
from .support.portal import Record, StartPortal, change, login_of
from .support.worlds import DAY, HOUSE, NOW

URL = "https://novec.smarthub.coop"
TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
OTHER_TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
HOUR = 3600
MEMBER = "member@example.org"

PAUSED = "login coop: sign-ins are paused: "
REJECTED = PAUSED + "the portal rejected {} {} times in a row and locks accounts after five; {} to sign in at once;"
REJECTED += " otherwise {}"
FIX = "fix the configuration"
TOMORROW = "run this command again after Thu Jan 15 12:00 EST"

WRONG = CredentialsError()
UNCLEAR = ProtocolError()
NO_ANSWER = TransportError()
NO_ANSWER.answered = False

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


class Account:
    """A login's sign-ins through the limit, without a portal."""

    def __init__(self, login: Login, state: StateFile, clock: ManualClock) -> None:
        self.login = login
        self.lockout = Lockout(login, state, clock)

    def refusal(self) -> PortalError | None:
        try:
            self.lockout.check(self.login)
        except PortalError as error:
            return error if error.is_pause else None
        return None

    @property
    def is_open(self) -> bool:
        return self.refusal() is None

    def fail(self, *errors: PortalError) -> None:
        """Sign in once for each error."""
        for error in errors:
            assert self.is_open
            self.lockout.count()
            self.lockout.failed(error)

    def succeed(self) -> None:
        assert self.is_open
        self.lockout.count()
        self.lockout.accepted()


@pytest.fixture
def account(login: Login, start_state: StartState, clock: ManualClock) -> Account:
    return Account(login, start_state(), clock)


# -- the limit


def test_one_more_attempt_is_allowed_a_day_later(account: Account, clock: ManualClock) -> None:
    account.fail(WRONG, WRONG)
    clock.advance(DAY - 1)
    assert not account.is_open
    clock.advance(1)
    account.fail(WRONG)

    for days in (0, 1, 2, 30, 365, 3650):
        clock.advance(days * DAY)
        assert not account.is_open


def test_day_counts_from_the_second_rejection(account: Account, clock: ManualClock) -> None:
    account.fail(WRONG)
    clock.advance(5 * DAY)
    account.fail(WRONG)
    clock.advance(DAY - 1)
    assert not account.is_open
    clock.advance(1)
    assert account.is_open


@pytest.mark.parametrize("error", [AccessError(), TransportError(), ProtocolError()], ids=lambda error: error.reason)
def test_unclear_answers_leave_one_attempt_per_day(account: Account, clock: ManualClock, error: PortalError) -> None:
    account.fail(error, error)
    for _ in range(5):
        clock.advance(DAY - 1)
        refusal = account.refusal()
        assert refusal is not None
        assert refusal.reason is error.reason
        clock.advance(1)
        account.fail(error)


def test_attempt_without_an_answer_does_not_count(account: Account) -> None:
    account.fail(*[NO_ANSWER] * 5, WRONG, *[NO_ANSWER] * 5, WRONG)

    assert not account.is_open


def test_attempt_without_an_end_counts(login: Login, start_state: StartState, clock: ManualClock) -> None:
    """The program may be killed while it waits for the answer."""
    for _ in range(2):
        killed = Account(login, start_state(), clock)
        assert killed.is_open
        killed.lockout.count()

    assert not Account(login, start_state(), clock).is_open


def test_check_tells_whether_the_last_answer_was_unclear(account: Account) -> None:
    assert account.lockout.check(account.login) is False
    account.fail(UNCLEAR)
    assert account.lockout.check(account.login) is True
    account.fail(WRONG)
    assert account.lockout.check(account.login) is False


@pytest.mark.parametrize(
    ("error", "what"),
    [(WRONG, "the user name or password"), (TwoFactorError(), "the second factor")],
    ids=["password", "second factor"],
)
def test_pause_says_what_was_rejected_and_when_it_ends(
    account: Account, clock: ManualClock, error: PortalError, what: str
) -> None:
    account.fail(error, error)
    refusal = account.refusal()
    assert type(refusal) is type(error)
    assert str(refusal) == REJECTED.format(what, 2, FIX, TOMORROW)

    clock.advance(DAY)
    account.fail(error)
    assert str(account.refusal()) == REJECTED.format(what, 3, FIX, "there are no more attempts")


def test_serve_signs_in_again_by_itself(account: Account) -> None:
    account.fail(WRONG, WRONG)
    refusal = account.refusal()
    assert refusal is not None
    assert refusal.advice_of_serve == (
        "fix the configuration (a changed secret file is read by itself, anything else needs a restart) to sign in at"
        " once; otherwise the exporter retries by itself after Thu Jan 15 12:00 EST"
    )


def test_a_login_that_signed_in_is_known_for_good(account: Account, clock: ManualClock) -> None:
    assert not account.lockout.has_signed_in
    account.fail(WRONG)
    assert not account.lockout.has_signed_in
    account.succeed()
    clock.advance(400 * DAY)
    account.fail(WRONG, UNCLEAR)
    assert account.lockout.has_signed_in


def test_pause_without_a_second_factor_asks_for_totp_secret(
    login: Login, start_state: StartState, clock: ManualClock
) -> None:
    account = Account(replace(login, totp_secret=None), start_state(), clock)
    account.fail(TwoFactorError(), TwoFactorError())

    assert str(account.refusal()) == REJECTED.format("sign-ins without a second factor", 2, "set totp_secret", TOMORROW)


def test_pause_after_unclear_answers_says_so(account: Account) -> None:
    account.fail(UNCLEAR, UNCLEAR)

    assert str(account.refusal()) == (
        f"{PAUSED}the portal answered 2 sign-ins in a row with neither a session nor a reason; sign in on the SmartHub"
        f" website to find out why; {TOMORROW}"
    )


def test_success_forgets_rejections(account: Account) -> None:
    account.fail(WRONG)
    account.succeed()
    account.fail(WRONG, WRONG)
    assert not account.is_open


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
    account: Account, start_state: StartState, clock: ManualClock, changes: dict[str, object]
) -> None:
    account.fail(WRONG, WRONG)

    after = Account(replace(account.login, **changes), start_state(), clock)  # type: ignore[arg-type]

    after.fail(WRONG, WRONG)
    assert not after.is_open


@pytest.mark.parametrize(
    "changes", [{"name": "home"}, {"zone": None}, {"locations": ()}, {"username": " Member@Example.ORG "}], ids=str
)
def test_another_name_or_zone_allows_no_new_attempts(
    account: Account, start_state: StartState, clock: ManualClock, changes: dict[str, object]
) -> None:
    account.fail(WRONG, WRONG)

    assert not Account(replace(account.login, **changes), start_state(), clock).is_open  # type: ignore[arg-type]


def test_rejections_survive_restarts(login: Login, start_state: StartState, clock: ManualClock) -> None:
    for _ in range(2):
        Account(login, start_state(), clock).fail(WRONG)

    assert not Account(login, start_state(), clock).is_open
    clock.advance(DAY)
    assert Account(login, start_state(), clock).is_open


def test_parallel_commands_count_together(login: Login, start_state: StartState, clock: ManualClock) -> None:
    serve, backfill, check = (Account(login, start_state(), clock) for _ in range(3))

    serve.fail(WRONG)
    backfill.fail(TwoFactorError())

    assert [each.is_open for each in (serve, backfill, check)] == [False, False, False]
    check.lockout.count()
    check.lockout.accepted()
    assert [each.is_open for each in (serve, backfill, check)] == [True, True, True]


def test_state_contains_no_user_name_or_secrets(account: Account, tmp_path: Path) -> None:
    account.fail(WRONG)

    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    for text in (MEMBER, account.login.password.reveal(), TOTP):
        assert text.encode() not in stored


def test_new_secret_allows_the_old_one_no_attempts(
    account: Account, start_state: StartState, clock: ManualClock
) -> None:
    account.fail(WRONG, WRONG)
    Account(replace(account.login, password=Secret("still wrong")), start_state(), clock).fail(WRONG)

    assert not account.is_open


def test_only_a_new_secret_signs_in_after_four_in_all(start_state: StartState, clock: ManualClock) -> None:
    def account(password: str) -> Account:
        return Account(replace(login_of(URL), password=Secret(password)), start_state(), clock)

    for password in ("one", "two", "three", "four"):
        account(password).fail(WRONG)
    assert str(account("five").refusal()) == (
        f"{PAUSED}the portal rejected 4 sign-ins in a row and locks accounts after five; sign in on the SmartHub"
        f" website first, which resets its count; then {FIX}; {TOMORROW}"
    )
    clock.advance(DAY)
    assert not account("one").is_open
    account("five").fail(WRONG)
    assert not account("six").is_open


def test_unclear_answer_never_uses_up_a_secret(account: Account, clock: ManualClock) -> None:
    for _ in range(6):
        account.fail(UNCLEAR)
        clock.advance(DAY)
    assert account.is_open


def test_clock_that_was_set_back_pauses_for_a_day_at_most(account: Account, clock: ManualClock) -> None:
    clock.advance(365 * DAY)
    account.fail(WRONG, WRONG)
    clock.advance(-365 * DAY)
    assert not account.is_open
    clock.advance(DAY)
    assert account.is_open


def test_without_a_saved_state_one_rejection_is_the_last(login: Login, clock: ManualClock) -> None:
    with closing(StateFile(None)) as state:
        account = Account(login, state, clock)
        account.succeed()
        account.fail(WRONG)
        clock.advance(365 * DAY)
        assert str(account.refusal()) == (
            f"{PAUSED}the portal rejected a sign-in, and the number of rejected ones cannot be saved; make the state"
            f" directory writable, and {FIX}"
        )
        another = replace(login, username="other@example.org")
        assert Account(another, state, clock).is_open


def test_lost_file_leaves_one_attempt(
    login: Login, start_state: StartState, clock: ManualClock, tmp_path: Path
) -> None:
    Account(login, start_state(), clock).fail(WRONG, WRONG)
    for path in tmp_path.glob(f"{FILE}*"):
        path.unlink()

    account = Account(login, start_state(), clock)
    account.fail(WRONG)

    assert str(account.refusal()) == (
        f"{PAUSED}the file that counts rejected sign-ins was lost or damaged; sign in on the SmartHub website first,"
        f" which resets its count; then delete {tmp_path / FILE}* and run this command again for one more attempt;"
        " otherwise there are no more attempts"
    )


def unreadable(path: Path) -> Callable[[], None]:
    """Fail like a file that exists and belongs to another user."""
    path.touch()

    def load() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    return load


@pytest.mark.parametrize("when", ["before the check", "before the count"])
def test_unreadable_file_allows_no_attempt(
    login: Login, start_state: StartState, clock: ManualClock, tmp_path: Path, when: str
) -> None:
    state = start_state()
    account = Account(login, state, clock)
    if when == "before the count":
        assert account.is_open
    state.sign_ins._load = unreadable(tmp_path / FILE)  # type: ignore[method-assign]

    with pytest.raises(ProtocolError) as caught:
        account.lockout.count() if when == "before the count" else account.lockout.check(login)

    assert caught.value.is_pause
    assert not state.is_kept
    del state.sign_ins._load
    assert account.is_open
    assert state.is_kept


def test_counts_of_an_earlier_version_keep_counting(start_state: StartState, clock: ManualClock) -> None:
    """Its key of an account depends on the case of the user name."""
    login = replace(login_of(URL), username="Member@example.org")
    key = hashlib.sha256(b"novec\nMember@example.org").hexdigest()
    start_state().sign_ins.change(
        lambda _: [SentSignIn(key, str(number), clock.now(), WRONG.reason) for number in range(4)]
    )

    account = Account(login, start_state(), clock)

    assert not account.is_open
    account.lockout.count()
    account.lockout.accepted()
    assert account.is_open


# -- one-time codes


def test_code_is_awaited_across_commands(login: Login, start_state: StartState, clock: ManualClock) -> None:
    for error in (None, WRONG, NO_ANSWER):
        account = Account(login, start_state(), clock)
        assert account.is_open
        account.lockout.wait_for_code(30)
        account.lockout.count(clock.now() + 30)
        account.lockout.failed(error) if error else account.lockout.accepted()
        clock.advance(10)

    assert clock.slept == [20, 20]


def test_code_of_a_clock_set_back_is_not_awaited(login: Login, start_state: StartState, clock: ManualClock) -> None:
    lockout = Lockout(login, start_state(), clock)
    lockout.count(NOW + 61)
    lockout.wait_for_code(30)
    assert clock.slept == []


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

    assert server.portal.most_rejected[MEMBER] == 3
    assert sum(count for (endpoint, _), count in server.portal.calls.items() if endpoint == "auth") == 3


def test_unclear_answers_count_with_rejections(clock: ManualClock, portal: PortalServer, tmp_path: Path) -> None:
    outcomes = []
    for how in (SignIn.FAILURE, SignIn.STATUS_500, SignIn.FAILURE, SignIn.PAGE, SignIn.FAILURE):
        change(portal, sign_in=how)
        outcomes.append(attempt(portal, login_of(portal), tmp_path, clock))

    assert outcomes == ["credentials", "transport", "credentials", "credentials", "credentials"]
    assert portal.portal.most_rejected[MEMBER] == 3


def test_commands_within_half_a_minute_send_other_codes(
    clock: ManualClock, start_portal: StartPortal, tmp_path: Path, record: Record
) -> None:
    server = start_portal(World(users=(UserSpec(totp_secret=TOTP),), locations=(HOUSE,)))
    sent = record(server)

    for _ in range(3):
        assert attempt(server, login_of(server, UserSpec(totp_secret=TOTP)), tmp_path, clock) == "signed in"

    codes = [call.form["twoFactorCode"] for call in sent if "twoFactorCode" in call.form]
    assert len(set(codes)) == len(codes) == 3


@pytest.mark.parametrize("how", [each for each in SignIn if each not in (SignIn.OK, SignIn.COOKIE)])
def test_two_days_of_any_answer_never_lock_the_account(
    clock: ManualClock, portal: PortalServer, tmp_path: Path, how: SignIn
) -> None:
    change(portal, sign_in=how)

    for _ in range(12):
        attempt(portal, login_of(portal), tmp_path, clock)
        clock.advance(DAY / 6)

    sign_ins = sum(count for (endpoint, _), count in portal.portal.calls.items() if endpoint == "auth")
    assert sign_ins == {SignIn.STATUS_503: 12, SignIn.DOWN: 1}.get(how, 3)


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

    assert portal.portal.most_rejected[MEMBER] < 5


# -- everything at once


class LockingPortal:
    """A portal that locks its account at the fifth sign-in within a day that lets nobody in."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.answer = ANSWERS["session"]
        self.is_down = False
        self.has_cookies = False
        self.rejected: list[float] = []
        self.codes: list[str] = []

    def keep_cookies(self, *, keep: bool) -> None:
        """Ignore the switch: there are no cookies."""

    def call(self, endpoint: str, method: str, path: str, **content: dict[str, str]) -> ClientResponse:
        if endpoint != "auth":
            return ClientResponse(500 if self.is_down else 200, {}, b'"NONE"')
        self.codes.append(content["data"]["twoFactorCode"])
        if isinstance(self.answer, Exception):
            raise self.answer
        status, body = self.answer
        self.rejected = [] if b"authorizationToken" in body else [*self.rejected, self.clock.now()]
        return ClientResponse(status, {"Date": "Mon, 01 Jan 9999999999999 00:00:00 GMT"}, body)


ANSWERS: dict[str, tuple[int, bytes] | Exception] = {
    "session": (200, b'{"status": "SUCCESS", "authorizationToken": "x", "expiresIn": 1e999}'),
    "failure": (200, b'{"status": "FAILURE"}'),
    "no token": (200, b'{"status": "SUCCESS"}'),
    "page": (200, b"<html>"),
    "text": (200, b"no"),
    "401": (401, b""),
    "403": (403, b""),
    "423": (423, b""),
    "500": (500, b"Internal error"),
    "code": (500, b"Your data could not be verified."),
    "no answer": NO_ANSWER,
    "killed": RuntimeError(),
}


@pytest.mark.slow
class Commands(RuleBasedStateMachine):
    """Commands that share a state, a portal with odd answers, and files that come to harm."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.folder = Path(self.directory.name)
        self.blocker = self.folder / f"{FILE}.new"
        self.clock = ManualClock(NOW)
        self.portal = LockingPortal(self.clock)
        self.files = [SignInFile(self.folder) for _ in range(3)]

    @property
    def is_blocked(self) -> bool:
        return self.blocker.is_dir()

    def teardown(self) -> None:
        self.directory.cleanup()

    @rule(which=st.integers(0, 2), password=st.sampled_from("ABCDEF"), answer=st.sampled_from(sorted(ANSWERS)))
    def sign_in(self, which: int, password: str, answer: str) -> None:
        # Commands that cannot share a state do not know of each other.
        which = 0 if self.is_blocked else which
        self.portal.answer = ANSWERS[answer]
        login = replace(login_of(URL), password=Secret(password), totp_secret=Secret(TOTP))
        state: Any = SimpleNamespace(sign_ins=self.files[which])
        lockout = Lockout(login, state, self.clock)
        with suppress(PortalError, RuntimeError):
            sign_in(login, self.portal, lockout, self.clock.now)  # type: ignore[arg-type]

    @rule()
    def break_or_mend_portal(self) -> None:
        self.portal.is_down = not self.portal.is_down

    @rule(which=st.integers(0, 2))
    def restart(self, which: int) -> None:
        if not self.is_blocked:
            self.files[which] = SignInFile(self.folder)

    @rule(hours=st.sampled_from([0.001, 1, 12, 23.9, 24]))
    def wait(self, hours: float) -> None:
        self.clock.advance(hours * HOUR)

    @rule(name=st.sampled_from([FILE, f"{FILE}.previous"]), how=st.sampled_from(["lost", "garbage", "flip", "cut"]))
    def harm(self, name: str, how: str) -> None:
        """Harm one version of the file; the next command notices, or a running one writes it again."""
        if self.is_blocked:
            return
        path = self.folder / name
        content = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        if how != "lost":
            middle = len(content) // 2
            flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :] if content else b""
            path.write_bytes({"garbage": b"garbage", "flip": flipped, "cut": content[:middle]}[how])
        SignInFile(self.folder)

    @rule()
    def block_or_clear_the_disk(self) -> None:
        """A directory in the place of the next version cannot be overwritten."""
        self.blocker.rmdir() if self.is_blocked else self.blocker.mkdir()
        self.files[0].read()

    @invariant()
    def account_is_not_locked(self) -> None:
        times = self.portal.rejected
        assert all(later - earlier >= DAY for earlier, later in zip(times, times[4:], strict=False))

    @invariant()
    def no_code_is_sent_twice(self) -> None:
        assert len(set(self.portal.codes)) == len(self.portal.codes)


TestCommands = Commands.TestCase
TestCommands.settings = settings(max_examples=40, stateful_step_count=40, derandomize=True)
