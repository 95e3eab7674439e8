"""The debug log of portal calls: the shape of each response, no personal data.

Users may paste these lines into a public issue. Keys and values are shown only if a list below allows them; of anything
else only the type is shown. The portal uses location and meter numbers as keys, so keys can be personal too.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from enum import Enum

from ..errors import TooLargeError
from ..httpcall import ClientResponse
from .parsing import Json, loads

log = logging.getLogger(__name__)

_LONGEST_SHAPE = 3500  # characters; leaves room for the rest of a line of 4000
_LOOKED_AT = 10  # elements of a list; a poll has one entry of each type


def _words(line: str) -> frozenset[str]:
    return frozenset(line.split())


_PATH = re.compile(r"(/[a-z][a-zA-Z-]*|/v[0-9])+/?")
_MEDIA_TYPES = _words(
    "none application/json application/problem+json application/xhtml+xml application/xml text/html text/json"
    " text/plain text/xml"
)


class FieldKind(Enum):
    """What a field contains, with the names of these fields: no other keys are shown."""

    PARTS = (  # an object or a list
        "services serviceLocations serviceLocationIdToServiceLocationSummary"
        " serviceLocationToUserDataServiceLocationSummaries serviceLocationToProviders serviceToProviders"
        " serviceToServiceDescription providerToDescription providerToProviderDescription id activeRateSchedules"
        " meterNumbersToExternalMeterBaseIds data ELECTRIC WATER GAS SEWER TRASH baseUsageParameters"
        " xToOrderedInterval baseSeries series estimatedSeries editedSeries meters meterToChartData yAxis dataGrouping"
        " interval"
    )
    WORD = (  # one of the words below
        "status type timeFrame unitOfMeasure flowDirection industry industries selectedIndustry"
        " serviceLocationToIndustries"
    )
    FLAG = "hasHourly hasDaily isNet isNetMeter isParentMeter"  # which data there are, and what kind of meter it is
    TIME = (
        "expiration expiresIn lastBillPrevReadDtTm lastBillPresReadDtTm startDateTime endDateTime connectDate"
        " minReadDate maxReadDate start end x"
    )
    AMOUNT = "y amountDue totalBalance lastPayment"  # energy or money
    SETTING = (  # what was requested, and how it is drawn
        "channel color visible screen includeDemand enableDrilldown stack turboThreshold zIndex lineWidth"
        " createTickDrillDownLink"
    )
    ID = (  # identifies a login, an account, a location or a meter
        "username primaryUsername userId account accountNumber accountNumbers customer customerId"
        " primaryServiceLocationId srvLocNbr serviceLocation serviceLocationNumber meterNumber parentMeters meterName"
        " seriesId name"
    )
    PRIVATE = (  # anything else about a member: name, address, contract
        "authorizationToken isSecondaryRegistration isBusinessUser message errorCode customerName"
        " additionalCustomerName address email inactive providerOrServiceDescription consumerClassCode"
        " invoiceGroupNumber agreementStatus isAutoPay isDisconnected isPendingDisconnect isUnCollectible"
        " isMultiService disconnectNonPay location description addr1 addr2 city state zip serviceStatus dueOn"
        " lastPaymentOn domain realm meterLocation rate rateName subMeterType orderedName"
    )


FIELDS: Mapping[str, FieldKind] = {name: kind for kind in FieldKind for name in kind.value.split()}
"""The kind of each field. Values below an unknown field have the kind of the field around it."""

WORDS = _words(
    "SUCCESS FAILURE COMPLETE PENDING IN_PROGRESS FAILED INVALID_TOKEN LOCKED_OUT"
    " ELECTRIC WATER GAS SEWER TRASH USAGE COST TIME_OF_USE DEMAND column line"
    " ACTUAL FIFTEEN_MINUTE THIRTY_MINUTE HOURLY DAILY WEEKLY MONTHLY YEARLY"
    " WH KWH MWH KW USD GAL KGAL FT3 CCF FORWARD TOTAL RETURN REVERSE NET"
    " DELIVERED RECEIVED GENERATION"
)
"""The words that are shown, only in fields of kind WORD."""

_TYPES = {str: "text", bool: "true/false", int: "number", float: "number", type(None): "null"}


def trace(endpoint: str, method: str, path: str, seconds: float, outcome: ClientResponse | Exception) -> None:
    """Log a call and its response, or why there was none."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    # All known paths are constants; any other path may contain personal data.
    shown_path = path if _PATH.fullmatch(path) else "other"
    fields: dict[str, object] = {"endpoint": endpoint, "method": method, "path": shown_path}
    if isinstance(outcome, ClientResponse):
        media_type = outcome.content_type.partition(";")[0].strip().lower() or "none"
        fields |= {
            "status": outcome.status,
            "seconds": round(seconds, 3),
            "bytes": len(outcome.body),
            "content_type": media_type if media_type in _MEDIA_TYPES else "other",
            "shape": "page" if outcome.is_page else _shape_of_body(outcome.body),
        }
    else:
        # Only the kind of an error is shown, because its message contains the whole address.
        fields |= {"seconds": round(seconds, 3), "error": type(outcome).__name__}
    log.debug("portal call", extra=fields)


def _shape_of_body(body: bytes) -> str:
    if not body:
        return "empty"
    try:
        return shape(loads(body))
    except (ValueError, RecursionError, TooLargeError):
        return "other"


def shape(value: Json) -> str:
    """Return the structure of a value, cut if it is too long.

    For example `{status:COMPLETE,data:{ELECTRIC:[2 of {...}|{...}]}}`. A list shows its first element, and the first of
    each other type among the first elements. Values with hidden keys are shown once for all of them.
    """
    written = ""
    for part in _parts(value, FieldKind.PARTS):
        written += part
        if len(written) > _LONGEST_SHAPE:
            return written[:_LONGEST_SHAPE] + "..."
    return written


def _parts(value: Json, kind: FieldKind) -> Iterator[str]:
    if isinstance(value, dict):
        hidden = f"<key>*{len(value.keys() - FIELDS.keys())}"
        shown = {name if name in FIELDS else hidden: item for name, item in value.items()}
        yield "{"
        for index, (name, item) in enumerate(shown.items()):
            yield f",{name}:" if index else f"{name}:"
            yield from _parts(item, FIELDS.get(name, kind))
        yield "}"
    elif isinstance(value, list):
        yield f"[{len(value)}"
        firsts: dict[str, Json] = {}
        for item in value[:_LOOKED_AT]:
            word = item.get("type") if isinstance(item, dict) else item
            firsts.setdefault(_leaf(word, FieldKind.WORD), item)
        for index, item in enumerate(firsts.values()):
            yield "|" if index else " of "
            yield from _parts(item, kind)
        yield "]"
    else:
        yield _leaf(value, kind)


def _leaf(value: Json, kind: FieldKind) -> str:
    """Return the type of a value, or the value itself if it may be shown."""
    if kind is FieldKind.WORD and isinstance(value, str) and value in WORDS:
        return value
    if kind is FieldKind.FLAG and isinstance(value, bool):
        return str(value).lower()
    return _TYPES.get(type(value), "other")
