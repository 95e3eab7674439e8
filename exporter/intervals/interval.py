"""One interval as an object, where a single one is looked at.

Energy in kWh, money in USD, times in seconds UTC.
"""

from dataclasses import dataclass

from .samples import watts


@dataclass(frozen=True, slots=True)
class Reading:
    """One interval as the portal reports it now; None if it reports no value."""

    start: int
    end: int
    usage: float | None = None
    export: float | None = None
    cost: float | None = None
    periods: tuple[tuple[str, float], ...] = ()

    @property
    def is_zero(self) -> bool:
        """Whether every energy value it has is 0, perhaps only as a placeholder."""
        return 0 in (self.usage, self.export) and not self.usage and not self.export


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval, or one full local day, as it is served: values with versions."""

    start: int
    end: int
    usage: float | None = None
    usage_k: int = 0
    export: float | None = None
    export_k: int = 0
    cost: float | None = None
    cost_k: int = 0
    periods: tuple[tuple[str, float, int], ...] = ()

    @property
    def has_energy(self) -> bool:
        """Whether there is a value for usage or export, even if it is 0."""
        return self.usage is not None or self.export is not None

    @property
    def watts(self) -> float | None:
        """The average power of the usage in W."""
        return None if self.usage is None else watts(self.usage, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Change:
    """An interval that a merge changed; `before` is None if it is new."""

    before: Interval | None
    after: Interval
