"""`discover`: show what a login can see, as a table or JSON, and write a ready-to-use configuration."""

import argparse
import logging
import os
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

from ..clock import Clock, SystemClock
from ..config import (
    DEFAULT_FILE,
    Config,
    LocationChoice,
    Login,
    Overrides,
    Secret,
    load_config,
    portal_address,
    second_factor,
)
from ..config.writer import DiscoveredLogin, check_is_free, config_text, write_private
from ..discovery.inventory import COLUMNS, as_json, notes, rows
from ..discovery.look_around import Busy, LookAround
from ..errors import EXIT_DONE, EXIT_FAILED, ConfigError, CredentialsError, PortalError, TwoFactorError
from ..locations import unread_reason, unseen_message
from ..storage.state import StateFile
from ..terminal import Terminal, is_interactive

log = logging.getLogger(__name__)

_QUESTIONS = {
    "api_url": "Your co-op's SmartHub (name, host or URL, such as novec.smarthub.coop)",
    "username": "User name (the e-mail address you sign in with)",
    "password": "Password (not shown)",
}
_TOTP_QUESTION = "Authenticator app secret, base32 or otpauth:// URI (not shown, press Enter to stop)"
_MOST_QUESTIONS = 2
_FILE, _OMIT = "file", "omit"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `discover`."""
    parser.add_argument(
        "--format", dest="form", choices=("table", "json"), default="table", help="output format (default: table)"
    )
    parser.add_argument("--write", metavar="FILE", type=Path, help="write a ready-to-use configuration to FILE")
    parser.add_argument(
        "--secrets",
        choices=(_FILE, _OMIT),
        help="with --write: save the password in a separate file next to FILE, or omit it (default: ask on a terminal,"
        " otherwise omit)",
    )
    parser.add_argument(
        "--force", action="store_true", help="with --write: overwrite FILE, keeping the old one as FILE.bak"
    )


def run(arguments: argparse.Namespace) -> int:
    """Sign in, look around, print and write. Raises ConfigError; PortalError if the only login fails."""
    if arguments.write:
        check_is_free(arguments.write, force=arguments.force)
    elif arguments.secrets or arguments.force:
        raise ConfigError("--secrets and --force can only be used with --write FILE")
    terminal = Terminal()
    discovery = _Discovery(terminal)
    if discovery.is_interactive and arguments.config_file is None and DEFAULT_FILE.exists():
        terminal.complain(f"Using {DEFAULT_FILE}; to sign in with another login, add --config.file /dev/null.")
    config = _load(arguments, discovery)
    for warning in config.warnings:
        log.warning("%s", warning)
    with terminal.waiting() as busy:
        found = discovery.look_at_all(config, busy)
    now = discovery.clock.now()
    if arguments.form == "json":
        terminal.say(as_json(found, now))
    else:
        terminal.table(COLUMNS, [row for look in found for row in rows(look, now)])
        terminal.say()
        for note in chain.from_iterable(map(notes, found)):
            terminal.note(note)
    if arguments.write and len(found) < len(config.logins):
        terminal.complain(
            f"{arguments.write} was not written, since it would lack a login that failed; fix it or try again later"
        )
    elif arguments.write:
        discovery.write(found, arguments.write, secrets=arguments.secrets, force=arguments.force)
    # The portal gave the data of some location of each login, or said that there is none.
    could_read = all(not look.surveys or any(not each.error for each in look.surveys.values()) for look in found)
    return EXIT_DONE if len(found) == len(config.logins) and could_read else EXIT_FAILED


def _load(arguments: argparse.Namespace, discovery: "_Discovery") -> Config:
    """Load the configuration. Raises ConfigError, also if a file for its secrets already exists."""
    into_files = arguments.secrets == _FILE

    def ask(key: str) -> str:
        if into_files:  # questions are about one login, which has a password at least
            _check_files_are_free(arguments.write, [["password"]], force=arguments.force)
        return discovery.ask(key)

    config = load_config(
        arguments.config_file,
        os.environ,
        Overrides(state_dir=arguments.state_dir),
        require_zone=False,
        ask=ask if discovery.is_interactive else None,
    )
    if into_files:
        _check_files_are_free(arguments.write, [_secrets_of(login) for login in config.logins], force=arguments.force)
    return config


def _secrets_of(login: Login) -> dict[str, Secret]:
    """Return the secrets of a login by their configuration keys."""
    return {"password": login.password} | ({"totp_secret": login.totp_secret} if login.totp_secret else {})


def _secret_file(path: Path, key: str, number: int, count: int) -> Path:
    """Return the file next to a configuration for a secret of login `number`, of `count` logins."""
    return path.with_name(f"{path.stem}{f'.{number + 1}' if count > 1 else ''}.{key}")


def _check_files_are_free(path: Path, keys: Sequence[Iterable[str]], *, force: bool) -> None:
    """Raise ConfigError if a file for a secret already exists. keys: the secrets of each login."""
    for number, each in enumerate(keys):
        for key in each:
            check_is_free(_secret_file(path, key, number, len(keys)), force=force)


class _Discovery:
    """The dialog with the user, if there is a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.is_interactive = is_interactive()
        self._is_typed = False
        self.clock: Clock = SystemClock()

    def ask(self, key: str) -> str:
        """Ask for the value of a configuration key."""
        question = _QUESTIONS[key]
        if key == "password":
            self._is_typed = True
            return self._terminal.ask_secret(question)
        return self._terminal.ask(question, portal_address if key == "api_url" else str)

    def look_at_all(self, config: Config, busy: Busy) -> list[LookAround]:
        """Look at what each login can see; log those that fail. Raises PortalError if there is only one."""
        looks: list[LookAround] = []
        with closing(StateFile(config.exporter.state_dir)) as state:
            for login in config.logins:
                try:
                    looks.append(self._look_at(login, state, busy))
                except PortalError as error:
                    if len(config.logins) == 1:
                        raise
                    log.error("%s", error)  # noqa: TRY400 - one line, no traceback
        return looks

    def _look_at(self, login: Login, state: StateFile, busy: Busy) -> LookAround:
        for turn in range(_MOST_QUESTIONS + 1):
            with closing(LookAround(login, state, self.clock, busy, self._pick_zone, every_location=True)) as look:
                try:
                    deque(look.run(), maxlen=0)
                except (CredentialsError, TwoFactorError) as error:
                    other = self._other_secret(login, error) if turn < _MOST_QUESTIONS and not error.is_pause else None
                    if other is None:
                        raise
                    login = other
                else:
                    if look.list_warning:
                        log.warning("login %s: %s", login.name, look.list_warning)
                    for choice in look.missing:
                        log.warning("%s", unseen_message(login, choice, look.found))
                    return look
        raise AssertionError

    def _other_secret(self, login: Login, error: PortalError) -> Login | None:
        """Ask for the secret that is missing or wrong; None if there is no terminal or no answer."""
        if not self.is_interactive:
            return None
        if isinstance(error, TwoFactorError) and login.totp_secret is None:
            self._terminal.complain(str(error))
            secret = self._terminal.ask_secret(_TOTP_QUESTION, second_factor)
            return replace(login, totp_secret=Secret(secret)) if secret else None
        if isinstance(error, CredentialsError) and self._is_typed:
            self._terminal.complain(str(error))
            password = self._terminal.ask_secret("Password (not shown, press Enter to stop)")
            return replace(login, password=Secret(password)) if password else None
        return None

    def _pick_zone(self, zones: Sequence[str]) -> str:
        if not self.is_interactive:
            return zones[0]
        self._terminal.complain(f"Several time zones fit the portal's times: {', '.join(zones)}")

        def check(answer: str) -> None:
            if answer not in zones:
                raise ValueError(f"enter one of {', '.join(zones)}")

        return self._terminal.ask(f"Your co-op's time zone [{zones[0]}]", check) or zones[0]

    # -- writing

    def write(self, found: Sequence[LookAround], path: Path, *, secrets: str | None, force: bool) -> None:
        """Write the configuration, and files for its secrets if wanted. Raises ConfigError."""
        into_files = secrets == _FILE
        if secrets is None and self.is_interactive:
            question = f"Save the password in a separate file next to {path.name}, readable only by you?"
            into_files = self._terminal.confirm(question)
        known = [_secrets_of(look.login) for look in found]
        if into_files:
            _check_files_are_free(path, known, force=force)
        logins: list[DiscoveredLogin] = []
        for number, (look, own) in enumerate(zip(found, known, strict=True)):
            files: dict[str, Path | None] = dict.fromkeys(own)
            for key, secret in own.items() if into_files else ():
                file = _secret_file(path, key, number, len(found))
                backup = write_private(file, secret.reveal() + "\n", force=force)
                kept = f"; the previous one is saved as {backup}" if backup else ""
                self._terminal.complain(f"Wrote {file}, readable only by you{kept}.")
                files[key] = Path(file.name)
            logins.append(_as_found(look, tuple(files.items())))
        backup = write_private(path, config_text(logins), force=force)
        kept = f"; the previous one is saved as {backup}, copy its other sections over" if backup else ""
        named = "" if path == Path("config.yaml") else f" --config.file {path}"
        self._terminal.complain(f"Wrote {path}{kept}. Next: smarthub-exporter check{named}")


def _as_found(look: LookAround, secrets: Sequence[tuple[str, Path | None]]) -> DiscoveredLogin:
    locations = [each for each in look.found if each in look.surveys or not unread_reason(each)]
    zone = str(look.zone) if look.zone else ""
    return DiscoveredLogin(
        look.login,
        zone,
        [other for other in look.zones if other != zone],
        [LocationChoice(each.account, each.number, each.name or "") for each in locations],
        secrets,
    )
