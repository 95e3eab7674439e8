"""Plausible households with nights, evenings, weekends, seasons and a solar roof, the same in every run."""

import math
from dataclasses import dataclass
from datetime import datetime

_MASK = 0xFFFFFFFFFFFFFFFF


def noise(*parts: int) -> float:
    """Return a number from 0 to 1 that depends only on the parts (splitmix64)."""
    state = 0
    for part in parts:
        state = (state ^ part) + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state / _MASK


@dataclass(frozen=True, slots=True)
class Household:
    """A household, with its power in kW by the local clock.

    `people` is how busy mornings and evenings are. `heating` and `cooling` are kW on the coldest and hottest days.
    `solar` is the peak power of the roof in kW.
    """

    seed: int
    idle: float = 0.25
    people: float = 1.0
    heating: float = 1.5
    cooling: float = 2.0
    solar: float = 0.0

    def load(self, local: datetime) -> float:
        """Return the power that the household uses, in kW."""
        hour = local.hour + local.minute / 60
        weekend = local.weekday() >= 5  # noqa: PLR2004 - Saturday and Sunday
        morning = _bump(hour, 9.5 if weekend else 7.0, 1.2)
        evening = _bump(hour, 19.0, 2.3)
        midday = _bump(hour, 13.5, 2.5) * (0.8 if weekend else 0.15)
        season = math.cos((local.timetuple().tm_yday - 20) / 365.25 * math.tau)
        cold = max(0.0, season) * (0.7 + 0.3 * math.cos((hour - 5) / 24 * math.tau))
        afternoon = max(0.0, math.cos((hour - 17) / 24 * math.tau))
        hot = max(0.0, -season) * afternoon * math.sqrt(afternoon)
        day, quarter = local.toordinal(), int(hour * 4)
        mood = 0.75 + 0.5 * noise(self.seed, day)
        appliance = 2.2 if noise(self.seed, day, local.hour, 7) > 1.02 - 0.12 * (morning + evening) else 0.0
        jitter = 0.85 + 0.3 * noise(self.seed, day, quarter, 3)
        busy = self.people * (0.6 * morning + 1.2 * evening + 0.6 * midday + 0.4 * appliance)
        return (self.idle + mood * (busy + self.heating * cold + self.cooling * hot)) * jitter

    def sun(self, local: datetime) -> float:
        """Return the power that its roof produces, in kW."""
        if not self.solar:
            return 0.0
        season = math.cos((local.timetuple().tm_yday - 172) / 365.25 * math.tau)
        half_day = 6.0 + 1.4 * season
        hour = local.hour + local.minute / 60
        height = math.cos((hour - 13) / half_day * math.pi / 2) if abs(hour - 13) < half_day else 0.0
        clouds = 0.35 + 0.65 * noise(self.seed, local.toordinal(), 11)
        passing = 0.8 + 0.2 * noise(self.seed, local.toordinal(), int(hour * 4), 13)
        return self.solar * (0.75 + 0.2 * season) * height * clouds * passing

    def water(self, local: datetime) -> float:
        """Return the gallons per hour that the household uses: none at most hours of the night."""
        hour = local.hour + local.minute / 60
        busy = _bump(hour, 7.0, 1.2) + _bump(hour, 19.0, 2.3) + 0.3 * _bump(hour, 13.5, 2.5)
        is_open = noise(self.seed, local.toordinal(), int(hour * 4), 17) < 0.05 + 0.8 * busy
        return self.people * 60 * busy * is_open

    def gas(self, local: datetime) -> float:
        """Return the hundreds of cubic feet of gas per hour that the household burns."""
        hour = local.hour + local.minute / 60
        season = math.cos((local.timetuple().tm_yday - 20) / 365.25 * math.tau)
        return 0.02 * self.people * (_bump(hour, 7.0, 1.2) + _bump(hour, 19.0, 2.3)) + 0.15 * max(0.0, season)


def _bump(hour: float, at: float, width: float) -> float:
    return math.exp(-(((hour - at) / width) ** 2))
