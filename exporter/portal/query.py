"""The request of the usage poll. The portal identifies a job by its body (docs/portal.md, "The usage poll")."""

import json
from dataclasses import dataclass

from .usage import INDUSTRY
from .walltime import WallClock

POLL = "/services/secured/utility-usage/poll"
HOURLY = "HOURLY"
DAILY = "DAILY"
MONTHLY = "MONTHLY"


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """A range of local days of one location. start, end: local midnights, in seconds UTC."""

    account: str
    location: str
    time_frame: str
    start: int
    end: int
    clock: WallClock

    @property
    def first_day(self) -> str:
        """The first local day, for messages."""
        return self.clock.date_text(self.start)

    @property
    def last_day(self) -> str:
        """The last local day, for messages."""
        return self.clock.date_text(self.end - 1)

    def body(self, username: str) -> bytes:
        """Return the body of the request, the same bytes for each retry."""
        question = {
            "timeFrame": self.time_frame,
            "userId": username,
            "screen": "USAGE_EXPLORER",
            "includeDemand": False,
            "serviceLocationNumber": self.location,
            "accountNumber": self.account,
            "industries": [INDUSTRY],
            "startDateTime": self.start * 1000,
            "endDateTime": self.end * 1000,
        }
        return json.dumps(question).encode()
