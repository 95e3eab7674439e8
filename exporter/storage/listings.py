"""What `user-data` listed for each login when it last did."""

from zlib import crc32

from .database import Database

TABLES = """
CREATE TABLE listing (login TEXT NOT NULL PRIMARY KEY, locations TEXT NOT NULL, checksum INTEGER NOT NULL)
    WITHOUT ROWID;
"""


class ListingTables(Database):
    """The part of the state that stands in for `user-data` while that fails."""

    def listing(self, login: str) -> str:
        """Return the text that was kept for a login; empty if there is none or it is damaged."""
        rows = self.execute("SELECT locations, checksum FROM listing WHERE login = :login", login=login)
        return next((text for text, checksum in rows if checksum == crc32(str(text).encode())), "")

    def keep_listing(self, login: str, locations: str) -> None:
        """Keep a text for a login instead of the one before."""
        self.execute(
            "INSERT INTO listing VALUES (:login, :locations, :checksum) ON CONFLICT (login)"
            " DO UPDATE SET locations = :locations, checksum = :checksum",
            login=login,
            locations=locations,
            checksum=crc32(locations.encode()),
        )
