"""What a simulated co-op consists of: logins, service locations, meters."""

from dataclasses import dataclass
from enum import StrEnum

from ..config.model import DEMO_PASSWORD
from .household import Household


class Channels(StrEnum):
    """Sets of channels that meters were seen with, one word per channel (docs/portal.md, "Directions")."""

    FORWARD = "forward"
    TOTAL = "total"
    UNNAMED = "unnamed"
    UNKNOWN = "unknown"
    FORWARD_RETURN = "forward+return"
    FORWARD_REVERSE = "forward+reverse"
    NET = "net"
    THREE = "forward+reverse+net"
    FORWARD_NET = "forward+net"
    REVERSE_NET = "reverse+net"
    SIGNED = "signed"
    FORWARD_TOTAL = "forward+higher total"
    TWO_FORWARD = "half+rest"
    SAME_TWICE = "forward+copy"
    BILL_WORDS = "delivered+received"
    MISNAMED = "received as delivered+delivered as received+net"
    UNKNOWN_BESIDE = "forward+aside"
    UNKNOWN_LABELLED = "forward+unknown generation"
    SLIGHTLY_NEGATIVE = "slightly negative"


class Resolution(StrEnum):
    """The finest data that the co-op has of a meter."""

    INTERVALS = "intervals"
    DAYS = "days"
    MONTHS = "months"


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """A meter.

    `step` is its interval in seconds. `cost` and `periods` say if the co-op provides its cost and sorts its energy into
    rate periods. `hourly_since` is the local day (ISO) of its first intervals; before it there are daily values only.
    `part_of` is the number of the meter that contains it. `industry` and `unit` are the portal's words for what it
    measures; a meter of water or gas has one channel, whatever `channels` says.
    """

    number: str
    household: Household
    channels: Channels = Channels.FORWARD
    step: int = 900
    resolution: Resolution = Resolution.INTERVALS
    cost: bool = True
    periods: bool = False
    hourly_since: str = ""
    part_of: str = ""
    industry: str = "ELECTRIC"
    unit: str = "KWH"


@dataclass(frozen=True, slots=True)
class LocationSpec:
    """A service location.

    `nickname` is the member's own name for it. `connected` is the local day (ISO) of its first data.
    """

    account: str
    number: str
    meters: tuple[MeterSpec, ...]
    nickname: str = ""
    industries: tuple[str, ...] = ("ELECTRIC",)
    service_code: str = "ELEC"
    inactive: bool = False
    street: str = "12 Secret Lane"
    connected: str = "2019-05-04"


@dataclass(frozen=True, slots=True)
class UserSpec:
    """A login.

    `totp_secret` is base32, or empty without two-factor authentication. `owner` is the owner of the registration if
    this is a secondary login. `accounts` are the accounts it may see, or empty for all.
    """

    username: str = "member@example.org"
    password: str = DEMO_PASSWORD
    totp_secret: str = ""
    owner: str = ""
    accounts: tuple[str, ...] = ()
