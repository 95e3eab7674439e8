"""The state file: recent intervals, listed locations, rejected sign-ins, backfill progress."""

from pathlib import Path

from . import backfills, listings, locations, sign_ins, zones

FILE = "state.db"
_TABLES = f"{locations.TABLES}{listings.TABLES}{sign_ins.TABLES}{backfills.TABLES}{zones.TABLES}".split(";")


class StateFile(
    locations.LocationTables,
    listings.ListingTables,
    sign_ins.SignInTables,
    backfills.BackfillTables,
    zones.ZoneTables,
):
    """The state in a directory, or in memory if `folder` is None.

    Safe to use from several threads.
    """

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder / FILE if folder else None, frozenset(filter(None, map(str.strip, _TABLES))))
