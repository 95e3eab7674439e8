"""The question that the usage poll answers (portal-facts 3.1). The portal keys its jobs on the body."""

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
    """A range of whole local days of one location. `start` and `end` are instants of local midnights."""

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
        """The request's body, the same bytes each time it is asked again."""
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
