"""The state file: recent intervals, days to backfill, backfill progress, what is known of logins."""

from pathlib import Path

from . import backfills, listings, locations, zones
from .sign_ins import SignInFile

FILE = "state.db"


class StateFile(locations.LocationEntries, listings.ListingEntries, backfills.BackfillEntries, zones.ZoneEntries):
    """The state in a directory, or in memory if `folder` is None.

    Safe to use from several threads. sign_ins: the sign-ins that may count toward an account lock, in their own file.
    """

    def __init__(self, folder: Path | None) -> None:
        self.sign_ins = SignInFile(folder)  # first, because it takes over what an earlier version kept in the state
        super().__init__(folder / FILE if folder else None)

    @property
    def is_kept(self) -> bool:
        """Whether everything survives a restart."""
        return super().is_kept and self.sign_ins.is_saved
