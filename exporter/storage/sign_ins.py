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
    """How often in a row a login was refused with one and the same configuration."""

    count: int
    last: float
    reason: str


class SignInTables(Database):
    """The part of the state that protects accounts from being locked."""

    def rejected_sign_ins(self, login: str, fingerprint: str) -> RejectedSignIns | None:
        """What is remembered of a login with one configuration, None where it was not refused."""
        return self._rejected("login = ? AND fingerprint = ?", login, fingerprint)

    def all_rejected_sign_ins(self, login: str) -> RejectedSignIns | None:
        """The same over all configurations of a login together, with the reason of the last one."""
        return self._rejected("login = ?", login)

    def _rejected(self, which: str, *values: str) -> RejectedSignIns | None:
        # SQLite takes a bare column from the row with the maximum.
        query = f"SELECT sum(count), max(last), reason FROM refused_sign_ins WHERE {which} GROUP BY login"  # noqa: S608
        return next((RejectedSignIns(*row) for row in self.execute(query, values)), None)

    def count_rejected_sign_in(self, login: str, fingerprint: str, now: float, reason: str) -> None:
        """Count one more for this configuration; others of the same login keep their own counts."""
        self.execute(
            "INSERT INTO refused_sign_ins VALUES (?1, ?2, 1, ?3, ?4) ON CONFLICT (login, fingerprint) DO UPDATE"
            " SET count = count + 1, last = ?3, reason = ?4",
            (login, fingerprint, now, reason),
        )

    def forget_rejected_sign_ins(self, login: str) -> None:
        """The login was accepted."""
        self.execute("DELETE FROM refused_sign_ins WHERE login = ?", (login,))
