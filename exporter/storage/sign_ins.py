"""The sign-ins that may count toward an account lock, in a small file that all commands share.

The file has one line per sign-in, oldest first, each behind its checksum; the version before the last change is kept
beside it. What cannot be read counts as rejected.
"""

import hashlib
import json
import logging
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from ..errors import Reason
from .lock_files import LockFiles
from .owners import create, give_away, how_to_allow

log = logging.getLogger(__name__)

FILE = "sign-ins"
ANY_ACCOUNT = "*"
"""The account of sign-ins that could not be read."""
ACCEPTED = "accepted"
UNCOUNTED = "uncounted"
MOST_TRIES = 4
"""How many sign-ins of an account may be rejected, with any secrets: portals lock it at five."""

_FORMAT = 1
_OLD_STATE = "state.db"  # earlier versions kept the counts in its table refused_sign_ins
_LARGEST = 1024 * 1024  # bytes
_UNKNOWN_TIME = 1e11  # seconds; later than any clock

Records = dict[str, "SentSignIn"]
"""Sign-ins by `id`, oldest first."""


@dataclass(frozen=True, slots=True)
class SentSignIn:
    """A sign-in that was sent.

    account, secret: digests. at: seconds UTC. outcome: ACCEPTED, UNCOUNTED, or the reason of its error. code_until:
    when its one-time code ends, in seconds UTC; 0 without one.
    """

    account: str
    secret: str
    at: float
    outcome: str
    code_until: float = 0.0
    id: str = field(default_factory=lambda: token_hex(8))

    def __post_init__(self) -> None:
        """Raise ValueError for values of the wrong type or size."""
        if not all(isinstance(each, str) for each in (self.account, self.secret, self.id)):
            raise ValueError("not text")
        if self.outcome not in (ACCEPTED, UNCOUNTED, *Reason):
            raise ValueError("not an outcome")
        if not all(type(each) in (int, float) and 0 <= each <= _UNKNOWN_TIME for each in (self.at, self.code_until)):
            raise ValueError("not a time")

    @property
    def counts(self) -> bool:
        """Whether the portal may have counted it as rejected."""
        return self.outcome not in (ACCEPTED, UNCOUNTED)


class SignInFile:
    """The sign-ins in a directory, or in memory if `folder` is None.

    Safe to use from several threads. is_saved: whether the file holds all that this process knows. unreadable: why the
    file cannot be read, and what to do; empty if it can. It may count more than is known then.
    """

    def __init__(self, folder: Path | None) -> None:
        self.is_saved = True
        self.unreadable = ""
        self._folder = folder
        self._path = (folder or Path()) / FILE
        self._previous = self._path.with_name(f"{FILE}.previous")
        self._locks = LockFiles()
        self._known: Records | None = None
        self._own: set[str] = set()
        self.read()

    def turn(self, account: str) -> AbstractContextManager[None]:
        """Wait until no other process or thread is signing in with this account."""
        return self._lock(f"sign-in-{account[:12]}")

    def has_unsaved(self, account: str) -> bool:
        """Return whether this process could not save a sign-in with this account."""
        counted = [each for each in self.read() if each.account == account and each.id in self._own and each.counts]
        return bool(counted) and not self.is_saved

    def read(self) -> list[SentSignIn]:
        """Return all sign-ins, oldest first."""
        return self.change(lambda known: known)

    def add(self, sign_in: SentSignIn) -> None:
        """Count a sign-in."""
        self._own.add(sign_in.id)
        self.change(lambda known: [*known, sign_in])

    def change(self, action: Callable[[list[SentSignIn]], Iterable[SentSignIn]]) -> list[SentSignIn]:
        """Replace the sign-ins by what `action` makes of them, and return these.

        What cannot be saved is kept in memory, and saved by a later call.
        """
        with suppress(OSError):
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock(FILE):
            stored, problem, was_read = None, None, self._known is not None
            try:
                stored = self._load()
                self.unreadable = ""
            except OSError as error:
                problem = error
                self._note_unreadable(error)
            known = {each.id: each for each in action(list((self._known or {}).values()))}
            if problem is None and (known != stored or not self.is_saved):
                try:
                    self._save(known)
                except OSError as error:
                    problem = error
            if problem is not None:
                self._fail(problem)
            if known or was_read or not self.unreadable:
                self._known = known
            return list(known.values())

    def _lock(self, name: str) -> AbstractContextManager[None]:
        # If nothing can be written, the warning that it cannot be saved is enough.
        can_write = self._folder is not None and os.access(f"{self._folder}/.", os.W_OK)
        return self._locks.hold(name, self._folder if can_write else None)

    def _load(self) -> Records | None:
        """Bring `_known` up to date; return what the file holds, None if it must be written.

        Raises OSError if the file cannot be read or set aside.
        """
        if self._folder is None:
            return None
        found, missing = _read(self._path)
        if missing == 0:
            self._known = found if self.is_saved or self._known is None else found | self._known
            return found
        is_there = _is_there(self._path)
        if not is_there and self._known is not None and not self.is_saved:
            return None
        previous, gap = _read(self._previous)
        if gap == 0:
            found, missing = previous | found, 1  # all but the last change
        elif not is_there and self._known is None and not _is_there(self._previous):
            found, missing = _of_old_state(self._folder / _OLD_STATE)
        self._known = (self._known or {}) | found
        if missing != 0:
            self._known |= self._doubt(missing)
        return None

    def _doubt(self, missing: int | None) -> Records:
        """Set the file aside and return sign-ins in place of the missing ones.

        missing: how many; None if that is not known. Then one more sign-in is allowed, but only the first time.
        """
        is_first = not any(self._path.parent.glob(f"{FILE}.damaged-*"))
        aside = _aside(self._path)
        try:
            self._path.rename(aside)
            log.warning("some rejected sign-ins in %s cannot be read; kept the file as %s", self._path, aside.name)
        except FileNotFoundError:
            os.close(create(aside))  # so that the next time is not the first one
            log.warning(
                "%s, which counts rejected sign-ins, is missing; assuming that the sign-ins in it were rejected",
                self._path,
            )
        count = MOST_TRIES - is_first if missing is None else missing
        doubts = [SentSignIn(ANY_ACCOUNT, "", _UNKNOWN_TIME, Reason.PROTOCOL) for _ in range(min(count, MOST_TRIES))]
        return {each.id: each for each in doubts}

    def _save(self, known: Records) -> None:
        if self._folder is None:
            self.is_saved = False
            return
        lines = [{"format": _FORMAT, "sign_ins": len(known)}, *map(astuple, known.values())]
        new = self._path.with_name(f"{FILE}.new")
        new.unlink(missing_ok=True)
        with os.fdopen(create(new), "wb") as file:
            file.writelines(_sealed(json.dumps(line).encode()) for line in lines)
            file.flush()
            os.fsync(file.fileno())
        if self._previous.is_dir() and not self._previous.is_symlink():
            self._previous.rename(_aside(self._previous))
        with suppress(FileNotFoundError):
            self._path.replace(self._previous)
        new.replace(self._path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.is_saved = True

    def _note_unreadable(self, error: OSError) -> None:
        """Note that the file cannot be read, unless it does not exist."""
        folder, path = self._path.parent, Path(error.filename or self._path)
        if error.filename2:  # a damaged file that cannot be renamed
            path = folder
        elif not _is_there(path):
            if path not in (self._path, self._previous) or not _is_there(folder) or not folder.is_dir():
                return
            path = folder
        unreadable = (
            f"cannot read {self._path}, which counts rejected sign-ins ({error.strerror}); {how_to_allow(path, folder)}"
        )
        if unreadable != self.unreadable:
            log.warning("sign-ins are paused: %s", unreadable)
        self.unreadable = unreadable

    def _fail(self, error: OSError) -> None:
        if self.is_saved and not self.unreadable:
            log.warning(
                "cannot save rejected sign-ins in %s (%s), so only one is allowed until a restart; %s",
                self._folder,
                error.strerror,
                self.how_to_save,
            )
        self.is_saved = False

    @property
    def pattern(self) -> str:
        """The names of all its files."""
        return f"{self._path}*"

    @property
    def how_to_save(self) -> str:
        """What to do so that the file can be written."""
        if self._folder is None or not self._folder.is_dir() or os.access(self._folder, os.W_OK):
            return "set --state.dir to a writable directory"
        return how_to_allow(self._folder, self._folder)


def _open_regular(path: str, flags: int) -> int:
    """Open a file without following a link or waiting for a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _is_there(path: Path) -> bool:
    """Whether there is a file, a link or anything else, even an inaccessible one."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    return True


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")


def _sealed(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode() + b" " + text + b"\n"


def _read(path: Path) -> tuple[Records, int | None]:
    """Return the sign-ins in a file, and how many are missing, None if that is not known."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return {}, None
        with open(path, "rb", opener=_open_regular) as file:
            content = file.read(_LARGEST)
            give_away(file.fileno(), path.parent)  # a command of an earlier version may have kept it
    except FileNotFoundError:
        return {}, None
    found: Records = {}
    count: int | None = None
    for line in content.splitlines(keepends=True):
        with suppress(ValueError, TypeError, LookupError):
            text = line[17:-1]
            values: Any = json.loads(text) if line == _sealed(text) else None
            if isinstance(values, list):
                sign_in = SentSignIn(*values)
                found[sign_in.id] = sign_in
            elif isinstance(values, dict) and values.get("format") == _FORMAT:
                count = int(values["sign_ins"])
    return found, None if count is None else max(0, count - len(found))


def _of_old_state(path: Path) -> tuple[Records, int | None]:
    """Do the same for the state file of an earlier version; without any state nothing is missing."""
    found: Records = {}
    if not path.exists():
        return found, 0
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
            rows = database.execute("SELECT login, fingerprint, count, last, reason FROM refused_sign_ins")
            for login, fingerprint, count, last, reason in rows:
                for _ in range(min(count, MOST_TRIES)):
                    sign_in = SentSignIn(login, fingerprint, last, reason)
                    found[sign_in.id] = sign_in
    except (sqlite3.Error, TypeError, ValueError):
        return found, None
    return found, 0
