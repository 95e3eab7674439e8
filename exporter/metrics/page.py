"""The timestamped part of /metrics, from texts that are kept while a meter is unchanged.

A page has a text for each series. When one meter changes, only its texts are made again; when a sample leaves the
window, only its line is cut off.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from ..intervals.model import Location, LocationKey, Meter, Snapshot
from ..web.rows import encodable
from .compression import PagePart, Parts
from .exposition import Format, header, sample_lines
from .families import LOCATION_INFOS, METER_VALUES, TIMESTAMPED, Samples, Series

_LONGEST_INTERVAL = 90_000  # seconds: a local day of 25 hours
_APART = 96
"""The oldest lines of a series, compressed separately: when one leaves the window, the other lines are kept."""
_MOST_SELECTIONS = 1000  # of one page


class _Lines(NamedTuple):
    """Consecutive lines of one series.

    stamps: The timestamp of each line in ms. ends: Where each line ends, counted from a fixed point before the text.
    start: Where the text starts, from the same point.
    """

    stamps: "array[int]"
    ends: "array[int]"
    start: int
    part: PagePart

    @classmethod
    def of(cls, lines: Iterable[str], stamps: Iterable[int]) -> "_Lines":
        """Return lines that can be encoded."""
        encoded = [line.encode() for line in lines]
        return cls(array("q", stamps), array("q", accumulate(map(len, encoded))), 0, PagePart(b"".join(encoded)))

    def since(self, since_ms: int) -> "list[_Lines]":
        """Return the lines that are not older, itself if none is."""
        first = bisect_left(self.stamps, since_ms)
        return self.apart(first) if first else [self]

    def apart(self, first: int = 0) -> "list[_Lines]":
        """Return the lines from a position on, with the oldest ones separate."""
        middle = min(first + _APART, len(self.stamps))
        cuts = (first, middle), (middle, len(self.stamps))
        return [self._cut(start, end) for start, end in cuts if start < end]

    def _cut(self, first: int, last: int) -> "_Lines":
        start = self.ends[first - 1] if first else self.start
        body = self.part.body[start - self.start : self.ends[last - 1] - self.start]
        return _Lines(self.stamps[first:last], self.ends[first:last], start, PagePart(body))


class _Texts(NamedTuple):
    """The lines of a meter or a location in each of its families.

    source: What they were made from. since: Nothing is from before it, in ms.
    """

    source: object
    since: int
    families: Sequence[Sequence[_Lines]]


class _FamilyTexts(NamedTuple):
    """A family on a page: its header, and the texts of each location."""

    header: PagePart
    locations: Mapping[LocationKey, Sequence[PagePart]]

    def parts(self, locations: Collection[LocationKey] | None) -> Iterator[PagePart]:
        """Yield the texts, or only those of some locations."""
        yield self.header
        for key in self.locations if locations is None else sorted(self.locations.keys() & locations):
            yield from self.locations[key]


@dataclass(frozen=True, slots=True)
class Page:
    """The timestamped part of /metrics for one snapshot.

    withheld: The locations that it leaves out. since: Where it begins, in ms. oldest: The timestamp of the oldest
    sample in ms; infinite if there is none. families: By name, in output order.
    """

    snapshot: Snapshot
    withheld: Collection[LocationKey]
    since: int
    oldest: float
    families: Mapping[str, _FamilyTexts]
    _selections: dict[frozenset[LocationKey] | None, Parts] = field(default_factory=dict, repr=False)

    def parts(self, names: Collection[str] = (), locations: frozenset[LocationKey] | None = None) -> Parts:
        """Return the page, or only some families or locations of it; unknown ones are ignored."""
        if names:
            return Parts(self._parts(names, locations))
        found = self._selections.get(locations)
        if found is None:
            if len(self._selections) == _MOST_SELECTIONS:
                self._selections.clear()
            found = self._selections[locations] = Parts(self._parts(self.families, locations))
        return found

    def _parts(self, names: Collection[str], locations: frozenset[LocationKey] | None) -> Iterator[PagePart]:
        for name, family in self.families.items():
            if name in names:
                yield from family.parts(locations)


class PageTexts:
    """The texts of all meters and locations in one format."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._headers = [PagePart(header(each.family).encode()) for each in TIMESTAMPED]
        self._kept: dict[tuple[LocationKey, str | None], _Texts] = {}

    def page(self, snapshot: Snapshot, since_ms: int, withheld: Collection[LocationKey] = ()) -> Page:
        """Return a page of the samples since `since_ms`, without those of withheld locations."""
        oldest = math.inf
        kept: dict[tuple[LocationKey, str | None], _Texts] = {}
        locations = [dict[LocationKey, list[PagePart]]() for _ in TIMESTAMPED]
        for key, location in snapshot.locations.items():
            owners = () if key in withheld else self._of(location, since_ms)
            for number, first_family, texts in owners:
                kept[key, number] = texts
                for by_location, every in zip(locations[first_family:], texts.families, strict=False):
                    for lines in every:
                        oldest = min(oldest, lines.stamps[0])
                        by_location.setdefault(key, []).append(lines.part)
        self._kept = kept
        families = map(_FamilyTexts, self._headers, locations)
        named = {each.family.name: texts for each, texts in zip(TIMESTAMPED, families, strict=True)}
        return Page(snapshot, withheld, since_ms, oldest, named)

    def _of(self, location: Location, since_ms: int) -> Iterator[tuple[str | None, int, _Texts]]:
        """Yield the texts of each meter by its number, then the location's by None, with the place of their family."""
        earliest = since_ms / 1000 - _LONGEST_INTERVAL
        key = location.key

        def of_meter(meter: Meter) -> Iterator[Iterator[Series]]:
            intervals, days = (each.between(earliest, math.inf) for each in (meter.intervals, meter.days))
            recent = replace(meter, intervals=intervals, days=days)
            return (each.series(key, recent) for each in METER_VALUES)

        def of_location() -> Iterator[Iterator[Series]]:
            meters = (replace(each, days=each.days.between(earliest, math.inf)) for each in location.meters)
            recent = replace(location, meters=tuple(meters))
            return (each.series(recent) for each in LOCATION_INFOS)

        for meter in location.meters:
            number, source = meter.info.number, (meter.intervals, meter.days)
            yield number, 0, self._texts((key, number), source, since_ms, partial(of_meter, meter))
        described = tuple((each.info, each.days, each.latest is None) for each in location.meters)
        texts = self._texts((key, None), (location.name, described), since_ms, of_location)
        yield None, len(METER_VALUES), texts

    def _texts(
        self,
        owner: tuple[LocationKey, str | None],
        source: object,
        since_ms: int,
        render: Callable[[], Iterable[Iterable[Series]]],
    ) -> _Texts:
        known = self._kept.get(owner)
        if known is None or known.since > since_ms or known.source != source:
            return _Texts(source, since_ms, [list(self._lines(every, since_ms)) for every in render()])
        families = [[left for lines in every for left in lines.since(since_ms)] for every in known.families]
        return _Texts(source, since_ms, families)

    def _lines(self, every: Iterable[Series], since_ms: int) -> Iterator[_Lines]:
        """Yield the lines of a family; OpenMetrics needs the samples of a series together."""
        for family, labels, samples in every:
            if encodable("".join(labels.values())):
                first = bisect_left(samples.stamps, since_ms)
                inside = Samples(samples.stamps[first:], samples.values[first:])
                yield from _Lines.of(sample_lines(Series(family, labels, inside), self._form), inside.stamps).apart()
