"""Which meters of a location are part of another one (docs/portal.md, "Sub-meters")."""

from collections.abc import Container, Iterable, Mapping

from .model import Meter, MeterInfo


def submeters_of(meters: Iterable[Meter]) -> dict[str, str]:
    """Return the sub-meters of a location, each with the meter that contains it.

    A parent without data contains nothing: its sub-meters then count by themselves.
    """
    every = list(meters)
    links = _links([meter.info for meter in every], {meter.info.number for meter in every if meter.latest})
    return {number: parent for number, parent in links.items() if not _is_circular(number, links)}


def circular_submeters(infos: Iterable[MeterInfo]) -> list[str]:
    """Return the meters that would contain themselves, sorted."""
    every = list(infos)
    links = _links(every, {info.number for info in every})
    return sorted(number for number in links if _is_circular(number, links))


def _links(infos: Iterable[MeterInfo], possible: Container[str]) -> dict[str, str]:
    """Return the first possible parent of each meter that has one."""
    first = {info.number: next((each for each in info.parents if each in possible), None) for info in infos}
    return {number: parent for number, parent in first.items() if parent is not None}


def _is_circular(number: str, links: Mapping[str, str]) -> bool:
    at: str | None = number
    for _ in links:
        at = links.get(at) if at is not None else None
        if at == number:
            return True
    return False
