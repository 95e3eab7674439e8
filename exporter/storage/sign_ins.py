"""Rejected sign-ins: how often, when last and why, by login and configuration."""

from dataclasses import dataclass

from .database import Database

TABLES = """
CREATE TABLE refused_sign_ins (
    login TEXT NOT NULL, fingerprint TEXT NOT NULL, count INTEGER NOT NULL, last REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (login, fingerprint)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class RejectedSignIns:
    """How often in a row a login was rejected; `last` in seconds UTC."""

    count: int
    last: float
    reason: str


class SignInTables(Database):
    """The part of the state that protects accounts from being locked."""

    def rejected_sign_ins(self, login: str, fingerprint: str | None = None) -> RejectedSignIns | None:
        """Return the rejections of a login; None if there are none.

        fingerprint: The rejected configuration. If None, all configurations count together, with the last reason.
        """
        # SQLite takes `reason` from the row with the maximum.
        rows = self.execute(
            "SELECT sum(count), max(last), reason FROM refused_sign_ins"
            " WHERE login = :login AND fingerprint = ifnull(:fingerprint, fingerprint) GROUP BY login",
            login=login,
            fingerprint=fingerprint,
        )
        return RejectedSignIns(*rows[0]) if rows else None

    def count_rejected_sign_in(self, login: str, fingerprint: str, now: float, reason: str) -> None:
        """Count one more rejection of a login with this configuration."""
        self.execute(
            "INSERT INTO refused_sign_ins VALUES (:login, :fingerprint, 1, :now, :reason)"
            " ON CONFLICT (login, fingerprint) DO UPDATE SET count = count + 1, last = :now, reason = :reason",
            login=login,
            fingerprint=fingerprint,
            now=now,
            reason=reason,
        )

    def forget_rejected_sign_ins(self, login: str) -> None:
        """Forget the rejections of a login, once it was accepted."""
        self.execute("DELETE FROM refused_sign_ins WHERE login = :login", login=login)
