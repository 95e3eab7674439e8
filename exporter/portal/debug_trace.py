"""The trace of a portal's answers at level debug: what they look like, and nothing of whom they are about.

A line of it may be pasted into a public issue. Names of fields appear where they are in a fixed list, values where they
are in a small one; whatever else the portal sends, as key or as value, is only told by its type. The portal keys maps
by location, by meter and by whatever it likes, so a key is as personal as a value.
"""

import json
import logging
import math
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from .parsing import Json

log = logging.getLogger(__name__)

_LONGEST_SHAPE = 3500  # characters, which leaves room for the rest of a line of 4000
_LARGEST_BODY = 16 * 1024 * 1024  # no range that is asked for gives so much
_MOST_VALUES = 300_000  # a month of quarter-hours of three channels has about half of it
_DEEPEST = 12  # a point of a series is at 8

_PATH = re.compile(r"(/[a-z][a-z-]*|/v[0-9])+")


def _words(line: str) -> frozenset[str]:
    return frozenset(line.split())


_MEDIA_TYPES = _words(
    "application/json application/problem+json application/xhtml+xml application/xml text/html text/json text/plain"
    " text/xml"
)

_INDUSTRIES = _words("ELECTRIC WATER GAS SEWER TRASH")
_ENTRIES = _words("USAGE COST TIME_OF_USE DEMAND")
_WORDS = {
    "status": _words("SUCCESS FAILURE COMPLETE PENDING IN_PROGRESS FAILED INVALID_TOKEN LOCKED_OUT"),
    "type": _ENTRIES | {"column", "line"},
    "timeFrame": _words("ACTUAL FIFTEEN_MINUTE THIRTY_MINUTE HOURLY DAILY WEEKLY MONTHLY YEARLY"),
    "unitOfMeasure": _words("WH KWH MWH KW USD GAL KGAL FT3 CCF"),
    "flowDirection": _words("FORWARD TOTAL RETURN REVERSE NET"),
    "industry": _INDUSTRIES,
    "industries": _INDUSTRIES,
    "selectedIndustry": _INDUSTRIES,
    "serviceLocationToIndustries": _INDUSTRIES,
}
"""The words that are shown, by field."""
_FLAGS = _words("hasHourly hasDaily isNet isNetMeter isParentMeter")
_NUMBERS = {"expiresIn": range(1, 3601)}  # any larger one might be somebody's number in the wrong place

_FIELDS = _words(
    # Signing in (portal-facts 1)
    "status authorizationToken username primaryUsername expiration expiresIn isSecondaryRegistration isBusinessUser"
    " message errorCode"
    # The accounts (portal-facts 2.1)
    " account customer customerName additionalCustomerName address email inactive primaryServiceLocationId services"
    " serviceLocationIdToServiceLocationSummary serviceLocationToUserDataServiceLocationSummaries"
    " serviceLocationToIndustries serviceLocationToProviders serviceToProviders serviceToServiceDescription"
    " providerToDescription providerToProviderDescription providerOrServiceDescription consumerClassCode"
    " invoiceGroupNumber agreementStatus isAutoPay isDisconnected isPendingDisconnect isUnCollectible isMultiService"
    " disconnectNonPay id srvLocNbr serviceLocation location description addr1 addr2 city state zip serviceStatus"
    " activeRateSchedules lastBillPrevReadDtTm lastBillPresReadDtTm meterNumbersToExternalMeterBaseIds"
    # Other lists of accounts (portal-facts 2.2)
    " serviceLocations customerId accountNumbers accountNumber amountDue dueOn totalBalance lastPayment lastPaymentOn"
    " name domain realm"
    # The usage poll (portal-facts 3)
    " data ELECTRIC WATER GAS SEWER TRASH type industry industries selectedIndustry timeFrame unitOfMeasure"
    " serviceLocationNumber startDateTime endDateTime baseUsageParameters userId screen includeDemand connectDate"
    " hasDaily hasHourly xToOrderedInterval baseSeries series estimatedSeries editedSeries meters meterToChartData"
    " meterNumber channel flowDirection meterLocation isParentMeter parentMeters isNetMeter visible meterName seriesId"
    " color minReadDate maxReadDate rate rateName subMeterType x y enableDrilldown isNet stack dataGrouping"
    " turboThreshold yAxis zIndex lineWidth interval start end createTickDrillDownLink orderedName"
)
"""The names that are shown."""


class TracedResponse(Protocol):
    """What the trace wants to know of an answer."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def body(self) -> bytes:
        """All of it, as it came."""
        ...

    @property
    def content_type(self) -> str:
        """The header of that name, empty where there is none."""
        ...

    @property
    def is_page(self) -> bool:
        """It is a web page."""
        ...


def trace_response(endpoint: str, method: str, path: str, seconds: float, answer: TracedResponse) -> None:
    """Tell of a call that was answered, however it was."""
    if log.isEnabledFor(logging.DEBUG):
        told = {
            "status": answer.status,
            "seconds": round(seconds, 3),
            "bytes": len(answer.body),
            "content_type": _media_type(answer.content_type),
            "shape": "page" if answer.is_page else _shape_of_body(answer.body),
        }
        log.debug("portal call", extra=_call(endpoint, method, path) | told)


def trace_failure(endpoint: str, method: str, path: str, seconds: float, error: Exception) -> None:
    """Tell of a call without an answer: by the kind of error alone, since its words hold the whole address."""
    if log.isEnabledFor(logging.DEBUG):
        told = {"seconds": round(seconds, 3), "error": type(error).__name__}
        log.debug("portal call", extra=_call(endpoint, method, path) | told)


def shape(value: Json) -> str:
    """The structure of a value as in `{status:COMPLETE,data:{ELECTRIC:[2 of ...]}}`, bounded in length and effort.

    Elements of a list and values of keys that are not shown are merged into one, with the count of each kind of value;
    entries of different type are kept apart. Dots stand for what was not looked at or did not fit.
    """
    shape_here = _survey(value)
    written = ""
    for part in shape_here.parts(shape_here.count):
        written += part
        if len(written) > _LONGEST_SHAPE:
            return written[:_LONGEST_SHAPE] + "..."
    return written


def _call(endpoint: str, method: str, path: str) -> dict[str, object]:
    # Every path of ours is a constant; one that looks otherwise may have a value in it.
    return {"endpoint": endpoint, "method": method, "path": path if _PATH.fullmatch(path) else "other"}


def _media_type(header: str) -> str:
    name = header.partition(";")[0].strip().lower()
    if not name:
        return "none"
    return name if name in _MEDIA_TYPES else "other"


def _shape_of_body(body: bytes) -> str:
    if not body:
        return "empty"
    if len(body) > _LARGEST_BODY:
        return "too large to look at"
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return "other"
    return shape(value)


@dataclass(slots=True)
class _Shape:
    """What is known of all values found at one place of an answer.

    name: the field whose words may be shown here, empty where there is none. kinds: how many there are of each.
    opened: how many objects were looked into. closed: some objects or lists were not, or not to their end.
    fields: the places in the objects. unnamed: the place of all values whose key is not shown.
    items: the place of the elements of the lists, one for each type of entry. lengths: those of the lists.
    """

    name: str = ""
    depth: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    opened: int = 0
    closed: bool = False
    fields: dict[str, "_Shape"] = field(default_factory=dict)
    unnamed: "_Shape | None" = None
    items: dict[str, "_Shape"] = field(default_factory=dict)
    lengths: tuple[int, int] | None = None

    @property
    def count(self) -> int:
        return sum(self.kinds.values())

    def note(self, value: Json) -> None:
        kind = _kind(value, self.name)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == "list":
            shortest, longest = self.lengths or (len(value), len(value))
            self.lengths = min(shortest, len(value)), max(longest, len(value))

    def inside(self, value: Json) -> Iterator[tuple[Json, "_Shape"]]:
        """Whatever an object or a list holds, and the place of each."""
        if isinstance(value, list):
            for item in value:
                yield item, self._shape_of_item(item)
            return
        self.opened += 1
        for key, item in value.items():
            yield item, self._shape_of_field(key)

    def _shape_of_item(self, item: Json) -> "_Shape":
        entry = item.get("type") if isinstance(item, dict) else None
        group = entry if isinstance(entry, str) and entry in _ENTRIES else ""
        return self.items.get(group) or self.items.setdefault(group, self._below())

    def _shape_of_field(self, key: Json) -> "_Shape":
        if isinstance(key, str) and key in _FIELDS:
            return self.fields.get(key) or self.fields.setdefault(key, _Shape(key, self.depth + 1))
        self.unnamed = self.unnamed or self._below()
        return self.unnamed

    def _below(self) -> "_Shape":
        """A place whose values are still of this field: serviceLocationToIndustries maps to lists of them."""
        return _Shape(self.name if self.name in _WORDS else "", self.depth + 1)

    def parts(self, total: int, *, counted: bool = False) -> Iterator[str]:
        """The text, in pieces. total: how many values there could be. counted: say the count even of a single kind."""
        missing = total - self.count
        counted = counted or missing > 0 or len(self.kinds) > 1
        for index, (kind, count) in enumerate(self.kinds.items()):
            yield ("|" if index else "") + (f"{count} " if counted else "")
            if kind == "object":
                yield from self._parts_of_object()
            elif kind == "list":
                yield from self._parts_of_list(count)
            else:
                yield kind
        if missing > 0:
            yield f"|{missing} missing"

    def _parts_of_object(self) -> Iterator[str]:
        separator = "{"
        for name, shape_here in self.fields.items():
            yield f"{separator}{name}:"
            yield from shape_here.parts(self.opened)
            separator = ","
        if self.unnamed:
            yield f"{separator}<key>*{self.unnamed.count}:"
            yield from self.unnamed.parts(self.unnamed.count)
            separator = ","
        yield separator if separator == "{" else ""
        yield "...}" if self.closed else "}"

    def _parts_of_list(self, count: int) -> Iterator[str]:
        shortest, longest = self.lengths or (0, 0)
        yield f"[{shortest}" if shortest == longest else f"[{shortest} to {longest}"
        yield (" each" if count > 1 else "") + (" of " if longest else "")
        separator = ""
        for shape_here in self.items.values():
            yield separator
            yield from shape_here.parts(shape_here.count, counted=len(self.items) > 1)
            separator = "|"
        yield "...]" if self.closed else "]"


def _survey(value: Json) -> _Shape:
    """Look at a value, level by level: the outline is known first, and the effort ends at the leaves."""
    root = _Shape()
    root.note(value)
    waiting = deque([(value, root)] if isinstance(value, dict | list) else [])
    left = _MOST_VALUES
    while waiting:
        value, shape_here = waiting.popleft()
        if shape_here.depth >= _DEEPEST or left <= 0:
            shape_here.closed = True
            continue
        shape_here.closed = shape_here.closed or len(value) > left
        for item, below in islice(shape_here.inside(value), left):
            below.note(item)
            left -= 1
            if isinstance(item, dict | list):
                waiting.append((item, below))
    return root


def _kind(value: Json, name: str) -> str:
    """The type of a value, or the value itself where it is one of those that are shown."""
    if isinstance(value, str):
        if value in _WORDS.get(name, ()):
            return value
        return "text" if value else "empty text"
    if isinstance(value, bool):
        return str(value).lower() if name in _FLAGS else "true/false"
    if isinstance(value, int):
        return str(value) if value in _NUMBERS.get(name, ()) else "number"
    if isinstance(value, float):
        return "number" if math.isfinite(value) else "no finite number"
    kinds: dict[type, str] = {type(None): "null", dict: "object", list: "list"}
    return kinds.get(type(value), "other")
