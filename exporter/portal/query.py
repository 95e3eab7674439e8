"""The request of the usage poll (docs/portal.md, "The usage poll")."""

from dataclasses import dataclass
from typing import Any

from ..intervals.industries import ELECTRIC
from .walltime import WallClock

POLL = "/services/secured/utility-usage/poll"
HOURLY = "HOURLY"
DAILY = "DAILY"
MONTHLY = "MONTHLY"


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """A range of local days of one location.

    start, end: local midnights, in seconds UTC. The portal identifies a job by the body of the request.
    """

    account: str
    location: str
    time_frame: str
    start: int
    end: int
    clock: WallClock
    industry: str = ELECTRIC

    @property
    def what(self) -> str:
        """What it asks for, for messages."""
        first, last = self.clock.date_text(self.start), self.clock.date_text(self.end - 1)
        data = "data" if self.industry == ELECTRIC else f"{self.industry} data"
        return f"{self.time_frame} {data} of location {self.location} from {first} to {last}"

    def body(self, username: str) -> dict[str, Any]:
        """Return the body of the request, the same for each retry."""
        return {
            "timeFrame": self.time_frame,
            "userId": username,
            "screen": "USAGE_EXPLORER",
            "includeDemand": False,
            "serviceLocationNumber": self.location,
            "accountNumber": self.account,
            "industries": [self.industry.upper()],
            "startDateTime": self.start * 1000,
            "endDateTime": self.end * 1000,
        }
