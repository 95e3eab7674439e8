"""`discover`: what a login sees, as a table or JSON, and as a configuration that is ready to be used."""

import argparse
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..clock import Clock, SystemClock
from ..config import Config, LocationChoice, Login, Overrides, Secret, load_config, portal_address, second_factor
from ..config.writing import FoundLogin, backup_of, check_is_free, config_text, write_private
from ..errors import EXIT_DONE, EXIT_FAILED, ConfigError, CredentialsError, PortalError, TwoFactorError
from ..exploration import Exploration, explore
from ..inventory import as_json, columns, notes, rows
from ..lockout import Lockout
from ..portal.client import PortalClient
from ..state import State
from ..survey import Busy
from ..terminal import Terminal, is_interactive
from ..words import why_unread

log = logging.getLogger(__name__)

_QUESTIONS = {
    "api_url": "The co-op's SmartHub (name, host or URL, such as novec.smarthub.coop)",
    "username": "User name (the e-mail address that you sign in with)",
    "password": "Password (not shown)",
}
_TOTP_QUESTION = "Secret of your authenticator app, base32 or otpauth:// URI (not shown, empty to stop)"
_MOST_QUESTIONS = 2
_FILE, _OMIT = "file", "omit"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `discover`."""
    parser.add_argument("--format", dest="form", choices=("table", "json"), default="table", help="default table")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write a configuration that is ready to be used")
    parser.add_argument(
        "--secrets",
        choices=(_FILE, _OMIT),
        help="with --write: put the password into a file of its own beside FILE, or leave it out (asked on a terminal,"
        " else omit)",
    )
    parser.add_argument("--force", action="store_true", help="with --write: write over FILE, keeping it as FILE.bak")


def run(arguments: argparse.Namespace) -> int:
    """Sign in, look around, print and write. Raises ConfigError, or PortalError for a single login."""
    if arguments.write:
        check_is_free(arguments.write, force=arguments.force)
    elif arguments.secrets or arguments.force:
        raise ConfigError("--secrets and --force belong to --write FILE")
    terminal = Terminal()
    discovery = _Discovery(terminal, is_interactive())
    config = load_config(
        arguments.config_file,
        os.environ,
        Overrides(state_dir=arguments.state_dir),
        require_zone=False,
        ask=discovery.ask if is_interactive() else None,
    )
    for warning in config.warnings:
        log.warning("%s", warning)
    with terminal.waiting() as busy:
        found = discovery.explore_all(config, busy)
    now = discovery.clock.now()
    if arguments.form == "json":
        terminal.say(as_json(found, now))
    else:
        terminal.table(columns(), rows(found, now))
        terminal.say()
        for note in notes(found):
            terminal.say(note)
    if arguments.write and len(found) < len(config.logins):
        terminal.complain(f"{arguments.write} is not written: it would lack a login that could not be read just now")
    elif arguments.write:
        discovery.write(found, arguments.write, secrets=arguments.secrets, force=arguments.force)
    return EXIT_DONE if len(found) == len(config.logins) and all(map(_could_read, found)) else EXIT_FAILED


def _could_read(exploration: Exploration) -> bool:
    """Whether the portal gave data of some location, or said that there are none."""
    surveys = [each.survey for each in exploration.locations if each.survey]
    return not surveys or any(survey.error is None for survey in surveys)


class _Discovery:
    """The talk with the person who runs the command, where there is one."""

    def __init__(self, terminal: Terminal, interactive: bool) -> None:  # noqa: FBT001 - one word for one fact
        self._terminal = terminal
        self._interactive = interactive
        self._is_typed = False
        self.clock: Clock = SystemClock()

    def ask(self, key: str) -> str:
        """The value of a key of the configuration."""
        question = _QUESTIONS[key]
        if key == "password":
            self._is_typed = True
            return self._terminal.ask_secret(question)
        return self._terminal.ask(question, portal_address if key == "api_url" else str)

    def explore_all(self, config: Config, busy: Busy) -> list[Exploration]:
        """What each login sees. A single one that fails raises its PortalError, one of several is passed over."""
        state = State(config.exporter.state_dir)
        found: list[Exploration] = []
        try:
            for login in config.logins:
                try:
                    found.append(self._explore(login, state, busy))
                except PortalError as error:
                    if len(config.logins) == 1:
                        raise
                    log.error("%s", error)  # noqa: TRY400 - said in one line
        finally:
            state.close()
        return found

    def _explore(self, login: Login, state: State, busy: Busy) -> Exploration:
        is_typed = self._is_typed
        for turn in range(_MOST_QUESTIONS + 1):
            anyway = self._try_anyway if self._interactive else None
            gate = Lockout(login, state, self.clock, anyway, is_typed=is_typed)
            client = PortalClient(login, gate, self.clock, lambda *_: None)
            try:
                busy(login.portal.label)
                client.sign_in()
                return explore(login, client, self.clock, pick_zone=self._pick_zone, busy=busy)
            except (CredentialsError, TwoFactorError) as error:
                other = self._other_secret(login, error) if turn < _MOST_QUESTIONS else None
                if other is None:
                    raise
                login, is_typed = other, True
            finally:
                client.close()
        raise AssertionError

    def _other_secret(self, login: Login, error: PortalError) -> Login | None:
        """The login with what was missing or wrong typed anew; None where nobody is there or gives up."""
        if not self._interactive:
            return None
        if isinstance(error, TwoFactorError) and login.totp_secret is None:
            self._terminal.complain(str(error))
            secret = self._terminal.ask_secret(_TOTP_QUESTION, second_factor)
            return replace(login, totp_secret=Secret(secret)) if secret else None
        if isinstance(error, CredentialsError) and self._is_typed:
            self._terminal.complain(str(error))
            password = self._terminal.ask_secret("Password (not shown, empty to stop)")
            return replace(login, password=Secret(password)) if password else None
        return None

    def _try_anyway(self, why: str) -> bool:
        self._terminal.complain(why)
        return self._terminal.confirm("Try once more nevertheless?")

    def _pick_zone(self, zones: Sequence[str]) -> str:
        if not self._interactive:
            return zones[0]
        self._terminal.complain(f"The portal's times fit several zones: {', '.join(zones)}")

        def check(answer: str) -> None:
            if answer not in zones:
                raise ValueError(f"give one of {', '.join(zones)}")

        return self._terminal.ask(f"The co-op's zone [{zones[0]}]", check) or zones[0]

    # -- writing

    def write(self, found: Sequence[Exploration], path: Path, *, secrets: str | None, force: bool) -> None:
        """Write the configuration, and files for its secrets where these are wanted. Raises ConfigError."""
        folder = secrets or self._where_to()
        logins: list[FoundLogin] = []
        for number, exploration in enumerate(found):
            login = exploration.login
            known = [("password", login.password), ("totp_secret", login.totp_secret)]
            files: list[tuple[str, Path | None]] = []
            for key, secret in known:
                if secret is None:
                    continue
                suffix = f".{number + 1}" if len(found) > 1 else ""
                file = path.with_name(f"{path.stem}{suffix}.{key}") if folder == _FILE else None
                if file:
                    write_private(file, secret.reveal() + "\n", force=force)
                    self._terminal.complain(f"Wrote {file}, readable by you alone.")
                files.append((key, Path(file.name) if file else None))
            logins.append(_as_found(exploration, files))
        is_there = path.exists()
        write_private(path, config_text(logins), force=force)
        kept = f"; the one before is {backup_of(path)}, with its other sections" if is_there else ""
        named = "" if path == Path("config.yaml") else f" --config.file {path}"
        self._terminal.complain(f"Wrote {path}{kept}. Next: smarthub-exporter check{named}")

    def _where_to(self) -> str:
        if not self._interactive:
            return _OMIT
        question = "Put the password into a file of its own beside it, readable by you alone?"
        return _FILE if self._terminal.confirm(question) else _OMIT


def _as_found(exploration: Exploration, secrets: Sequence[tuple[str, Path | None]]) -> FoundLogin:
    places = [each.place for each in exploration.locations if each.survey or not why_unread(each.place)]
    zone = str(exploration.zone) if exploration.zone else ""
    return FoundLogin(
        exploration.login,
        zone,
        [other for other in exploration.zones if other != zone],
        [LocationChoice(place.account, place.number, place.name or "") for place in places],
        secrets,
    )
