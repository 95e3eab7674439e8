"""The state file: recent intervals, days to backfill, backfill progress, what is known of logins."""

from pathlib import Path

from . import backfills, listings, locations, sign_ins, zones

FILE = "state.db"


class StateFile(
    locations.LocationEntries,
    listings.ListingEntries,
    sign_ins.SignInEntries,
    backfills.BackfillEntries,
    zones.ZoneEntries,
):
    """The state in a directory, or in memory if `folder` is None.

    Safe to use from several threads.
    """

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder / FILE if folder else None)
