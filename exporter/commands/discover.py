"""`discover`: show what a login can see, as a table or JSON, and write a ready-to-use configuration."""

import argparse
import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

from ..checks.vm_settings import Needs
from ..clock import Clock, SystemClock
from ..config import (
    DEFAULT_FILE,
    Config,
    LocationChoice,
    Login,
    Overrides,
    Secret,
    VictoriaMetricsConfig,
    bracketed,
    database_url,
    load_config,
    parse_listen_address,
    second_factor,
)
from ..config.writer import DiscoveredLogin, check_is_free, config_text, write_private
from ..discovery.inventory import COLUMNS, as_json, notes, rows
from ..discovery.look_around import Busy, LookAround, Step
from ..errors import EXIT_DONE, EXIT_FAILED, ConfigError, CredentialsError, DirectoryError, PortalError, TwoFactorError
from ..guide.coop import CoopDialog, find_portal, search_rows
from ..guide.database import find
from ..guide.next_steps import next_steps
from ..locations import unread_reason, unseen_message
from ..portal.directory import DEFAULT_DIRECTORY, Directory, is_name
from ..portal.identity import PortalIdentity
from ..storage.state import StateFile
from ..terminal import Terminal, is_interactive

log = logging.getLogger(__name__)

_TOTP_QUESTION = "Authenticator secret or otpauth:// URI (not shown, press Enter to stop)"
DIRECTORY_VARIABLE = "SMARTHUB_DIRECTORY_URL"
_ADDRESS_VARIABLE = "SMARTHUB_API_URL"
_NO_DATABASE = "none"
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
    parser.add_argument(
        "--database",
        metavar="URL",
        help="with --write: the VictoriaMetrics or Prometheus whose settings to check (default on a terminal:"
        f" the one on this machine; {_NO_DATABASE} skips this)",
    )
    parser.add_argument("--search", metavar="NAME", help="list the co-ops with this name, and exit")


def run(arguments: argparse.Namespace) -> int:
    """Sign in, look around, print and write. Raises ConfigError; PortalError if the only login fails."""
    terminal = Terminal()
    directory = _directory()
    if arguments.search is not None:
        return _search(arguments.search, directory, terminal)
    _check_flags(arguments)
    discovery = _Discovery(terminal, directory)
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
            f"{arguments.write} was not written, because a login failed; fix the login or try again later"
        )
    elif arguments.write:
        discovery.write(found, config, arguments)
    elif discovery.is_typed:
        terminal.complain("To save this as a configuration, run: smarthub-exporter discover --write config.yaml")
    # The portal returned data of some location of each login, or said that there is none.
    could_read = all(not look.surveys or any(not each.error for each in look.surveys.values()) for look in found)
    return EXIT_DONE if len(found) == len(config.logins) and could_read else EXIT_FAILED


def _check_flags(arguments: argparse.Namespace) -> None:
    """Raise ConfigError for flags that cannot be used, before any question."""
    if arguments.write:
        check_is_free(arguments.write, force=arguments.force)
    elif arguments.secrets or arguments.force or arguments.database:
        raise ConfigError("--secrets, --force and --database can only be used with --write FILE")
    _database_of(arguments)


def _load(arguments: argparse.Namespace, discovery: "_Discovery") -> Config:
    """Load the configuration. Raises ConfigError, also if a file for its secrets already exists."""
    into_files = arguments.secrets == _FILE

    def ask(key: str, address: str) -> str:
        if into_files:  # questions are about one login, which has a password at least
            _check_files_are_free(arguments.write, [["password"]], force=arguments.force)
        return discovery.ask(key, address)

    environ = dict(os.environ)
    address = environ.get(_ADDRESS_VARIABLE, "")
    if " " in address.strip() and is_name(address):
        environ[_ADDRESS_VARIABLE] = find_portal(address, discovery.directory.search)
    config = load_config(
        arguments.config_file,
        environ,
        Overrides(state_dir=arguments.state_dir),
        require_zone=False,
        ask=ask if discovery.is_interactive else None,
    )
    if into_files:
        _check_files_are_free(arguments.write, [_secrets_of(login) for login in config.logins], force=arguments.force)
    return config


def _directory() -> Directory:
    """Return the directory of co-ops. Raises ConfigError for an invalid address of another one."""
    try:
        return Directory(database_url(os.environ.get(DIRECTORY_VARIABLE) or DEFAULT_DIRECTORY))
    except ValueError as error:
        raise ConfigError(f"{DIRECTORY_VARIABLE}: {error}") from None


def _search(name: str, directory: Directory, terminal: Terminal) -> int:
    """List the co-ops with a name. Raises ConfigError or DirectoryError."""
    if not is_name(name):
        raise ConfigError("--search: this is an address; type a name, such as Wake Electric")
    found = directory.search(name)
    if not found:
        raise DirectoryError("the directory of co-ops has no such name", advice="try another word of the name")
    terminal.table(("Co-op", "Place", "Address"), search_rows(found))
    return EXIT_DONE


def _database_of(arguments: argparse.Namespace) -> VictoriaMetricsConfig | None:
    """Return the database that --database names, if any. Raises ConfigError for an invalid address."""
    if arguments.database in (None, _NO_DATABASE):
        return None
    try:
        return VictoriaMetricsConfig(database_url(arguments.database))
    except ValueError as error:
        raise ConfigError(f"--database: {error}") from None


def _target(config: Config) -> str:
    """Return where a scraper on this machine finds the exporter."""
    host, port = parse_listen_address(config.exporter.listen_address)
    return f"{bracketed(host) or 'localhost'}:{port}"


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

    def __init__(self, terminal: Terminal, directory: Directory) -> None:
        self._terminal = terminal
        self.directory = directory
        self.is_interactive = is_interactive()
        self._typed: set[str] = set()
        self.clock: Clock = SystemClock()
        self._coop = CoopDialog(terminal, directory, self.clock)

    @property
    def is_typed(self) -> bool:
        """Whether something was typed that no configuration has."""
        return bool(self._typed)

    def ask(self, key: str, address: str) -> str:
        """Ask for the value of a configuration key. address: of the portal, if it is known already."""
        if key == "api_url":
            answer = self._coop.ask()
        else:
            if address:
                self._coop.check(address)
            if key == "username":
                answer = self._terminal.ask("User name (the email address you sign in with)")
            else:
                answer = self._terminal.ask_secret("Password (not shown)")
        if answer:
            self._typed.add(key)
        return answer

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
        identity: PortalIdentity | None = self._coop.identities.get(login.portal.base_url)
        for turn in range(_MOST_QUESTIONS + 1):
            with closing(
                LookAround(login, state, self.clock, busy, self._pick_zone, every_location=True, identity=identity)
            ) as look:
                try:
                    for step in look.run():
                        identity = look.identity
                        if step is Step.PORTAL and identity is not None:
                            self._coop.accept(login.portal, identity, is_interactive=self.is_interactive)
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
        if isinstance(error, CredentialsError) and "password" in self._typed:
            self._terminal.complain(str(error))
            username = login.username
            if "username" in self._typed:
                username = self._terminal.ask("User name", default=username)
            password = username and self._terminal.ask_secret("Password (not shown, press Enter to stop)")
            return replace(login, username=username, password=Secret(password)) if password else None
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

    def write(self, found: Sequence[LookAround], config: Config, arguments: argparse.Namespace) -> None:
        """Write the configuration and say what is left to do. Raises ConfigError."""
        path: Path = arguments.write
        named = _database_of(arguments)
        is_guided = self.is_interactive or named is not None
        database, problem = None, ""
        if is_guided and arguments.database != _NO_DATABASE:
            with self._terminal.waiting() as busy:
                busy("a database")
                needs = Needs.of(survey for look in found for survey in look.surveys.values())
                known, now = named or config.victoriametrics, self.clock.now()
                database, problem = find(known, config.exporter.window, now, needs)
        logins = self._with_secrets(found, arguments)
        url = database.url if database and not database.is_prometheus else ""
        state = config.exporter.state_dir.absolute() if arguments.state_dir else None
        backup = write_private(path, config_text(logins, url, state), force=arguments.force)
        kept = f"; the previous version is saved as {backup}; copy its other sections over" if backup else ""
        flag = "" if path == DEFAULT_FILE else f" --config.file {path}"
        self._terminal.complain(f"Wrote {path}{kept}.{'' if is_guided else f' Next: smarthub-exporter check{flag}'}")
        if not all(file for login in logins for _, file in login.secrets):
            how = "SMARTHUB_PASSWORD, SMARTHUB_PASSWORD_FILE, or " if len(found) == 1 else ""
            self._terminal.complain(f"The password is not saved: set {how}password_file in {path.name}.")
        if is_guided:
            for line in next_steps(database, problem, target=_target(config), config_flag=flag):
                self._terminal.complain(line)

    def _with_secrets(self, found: Sequence[LookAround], arguments: argparse.Namespace) -> list[DiscoveredLogin]:
        """Return the logins to be written, with their secrets in files of their own if wanted. Raises ConfigError."""
        path, force = arguments.write, arguments.force
        known = [_secrets_of(look.login) for look in found]
        into_files = arguments.secrets == _FILE
        if arguments.secrets is None and self.is_interactive:
            into_files = self._terminal.confirm(_save_question(path, known), default=True)
        if into_files:
            _check_files_are_free(path, known, force=force)
        logins: list[DiscoveredLogin] = []
        for number, (look, own) in enumerate(zip(found, known, strict=True)):
            files: dict[str, Path | None] = dict.fromkeys(own)
            for key, secret in own.items() if into_files else ():
                file = _secret_file(path, key, number, len(found))
                backup = write_private(file, secret.reveal() + "\n", force=force)
                kept = f"; the previous version is saved as {backup}" if backup else ""
                self._terminal.complain(f"Wrote {file}, readable only by you{kept}.")
                files[key] = Path(file.name)
            logins.append(_as_found(look, tuple(files.items())))
        return logins


def _save_question(path: Path, secrets: Sequence[Iterable[str]]) -> str:
    """Return the question whether to save the secrets. secrets: the keys of each login."""
    files = [_secret_file(path, key, number, len(secrets)).name for number, keys in enumerate(secrets) for key in keys]
    what, more = ("password", "") if len(files) == 1 else ("secrets", f" and {len(files) - 1} more")
    return f"Save the {what} in {files[0]}{more}, readable only by you?"


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
