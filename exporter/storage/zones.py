"""Configured zones that the portal's times contradict, by login."""

from collections.abc import Sequence

from .database import Database

TABLES = """
CREATE TABLE contradicted_zone (
    portal TEXT NOT NULL, login TEXT NOT NULL, zone TEXT NOT NULL, others TEXT NOT NULL,
    PRIMARY KEY (portal, login, zone)) WITHOUT ROWID;
"""


class ZoneTables(Database):
    """The part of the state that keeps wrong times from being served after a restart."""

    def contradicted_by(self, portal: str, login: str, zone: str) -> tuple[str, ...]:
        """Return the zones that fit if this one is contradicted, most likely first; empty if it is not."""
        rows = self.execute(
            "SELECT others FROM contradicted_zone WHERE portal = :portal AND login = :login AND zone = :zone",
            portal=portal,
            login=login,
            zone=zone,
        )
        return tuple(rows[0][0].split()) if rows else ()

    def note_contradiction(self, portal: str, login: str, zone: str, others: Sequence[str]) -> None:
        """Note the zones that fit instead of this one; none if it is not contradicted."""
        statement = "REPLACE INTO contradicted_zone VALUES (:portal, :login, :zone, :others)"
        if not others:
            statement = "DELETE FROM contradicted_zone WHERE portal = :portal AND login = :login AND zone = :zone"
        self.execute(statement, portal=portal, login=login, zone=zone, others=" ".join(others))
