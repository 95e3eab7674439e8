"""Estimate the size of the interval page of /metrics from the days that `check` polled."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..discovery.look_around import LookAround
from ..discovery.survey import LocationSurvey
from ..intervals.model import Location, Snapshot
from ..metrics.exposition import Format
from ..metrics.page import PageTexts
from ..portal.walltime import DAY


class PageSize(NamedTuple):
    """The size of a page as text, in bytes, and its samples."""

    size: float
    samples: float


@dataclass(frozen=True, slots=True)
class PageSizes:
    """The part of each login in the interval page, by the name of the login."""

    by_login: Mapping[str, PageSize]

    @classmethod
    def of(cls, looks: Iterable[LookAround], window: int) -> "PageSizes":
        """Estimate them from what was seen of each login. window: seconds."""
        found: dict[str, list[PageSize]] = defaultdict(list)
        for look in looks:
            found[look.login.name] += (_size(look, survey, window) for survey in look.surveys.values())
        return cls({name: _sum(sizes) for name, sizes in found.items()})

    def total(self, logins: Collection[str] = ()) -> PageSize:
        """Return the size of a page with these logins, or with all of them."""
        return _sum(size for name, size in self.by_login.items() if not logins or name in logins)


def _sum(sizes: Iterable[PageSize]) -> PageSize:
    every = list(sizes)
    return PageSize(sum(each.size for each in every), sum(each.samples for each in every))


def _size(look: LookAround, survey: LocationSurvey, window: int) -> PageSize:
    if survey.newest is None:
        return PageSize(0, 0)
    key = survey.location.key(look.login.portal.label)
    bodies = PageTexts(Format.TEXT).page(Snapshot({key: Location(key, meters=survey.meters)}), 0).parts().bodies
    samples = sum(body.count(b"\n") for body in bodies if not body.startswith(b"#"))
    share = window / (survey.days * DAY)
    return PageSize(sum(map(len, bodies)) * share, samples * share)
