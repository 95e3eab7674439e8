"""What a simulated co-op consists of: logins, service locations, meters."""

from dataclasses import dataclass
from enum import StrEnum

from ..config.model import DEMO_PASSWORD
from .household import Household


class Channels(StrEnum):
    """The sets of channels that meters were seen with (portal-facts 6), one word for each."""

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
    FORWARD_TOTAL = "forward+total"
    TWO_FORWARD = "forward+forward"
    SAME_TWICE = "forward=forward"


class Resolution(StrEnum):
    """What the co-op reads of a meter."""

    INTERVALS = "intervals"
    DAYS = "days"
    MONTHS = "months"


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """A meter. step: seconds. cost: the co-op gives it. periods: the co-op classifies its energy by rate period.

    hourly_since: the local day (ISO) before which the co-op has only whole days of it; empty: since it is connected.
    """

    number: str
    household: Household
    channels: Channels = Channels.FORWARD
    step: int = 900
    resolution: Resolution = Resolution.INTERVALS
    cost: bool = True
    periods: bool = False
    parent: bool = False
    hourly_since: str = ""


@dataclass(frozen=True, slots=True)
class LocationSpec:
    """A service location. `nickname` is the member's own name for it.

    connected: the local day (ISO) before which there are no data.
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
    """A login. totp_secret: base32, where a second factor is on. owner: whose registration a secondary login uses.

    accounts: what it sees; empty for all.
    """

    username: str = "member@example.org"
    password: str = DEMO_PASSWORD
    totp_secret: str = ""
    owner: str = ""
    accounts: tuple[str, ...] = ()
