"""Water and gas beside electricity: every value equals the simulated portal's truth."""

import json
from dataclasses import replace

import pytest

from exporter.errors import ProtocolError
from exporter.intervals.model import DAILY as DAILY_STEP
from exporter.portal.history import KnownMeters, LocationHistory
from exporter.portal.query import UsageQuery
from exporter.portal.usage import decode
from exporter.portal.usage_answer import UsageAnswer
from exporter.portal.walltime import WallClock
from exporter.simulator.household import Household
from exporter.simulator.specs import MeterSpec, Resolution

from ..support.decoding import compare
from ..support.member import DAY, HOUR, ZONE, Member, at, home
from ..support.member import meter as electric_meter

AUTUMN = at(2026, 10, 30), at(2026, 11, 3)
WATER = MeterSpec("9001", Household(4), industry="WATER", unit="GAL", step=3600)
GARDEN = replace(WATER, number="9002", unit="FT3", cost=False)
GAS = replace(WATER, number="9003", industry="GAS", unit="MCF")
HEAT = replace(GAS, number="9004", unit="THERM", resolution=Resolution.DAYS)
BIG = replace(WATER, number="9005", unit="KGAL", resolution=Resolution.DAYS)


def history(member: Member, industry: str) -> LocationHistory:
    member.sign_in()

    def ask(query: UsageQuery) -> UsageAnswer:
        body = query.body(member.user.username)
        answer = json.loads(member.poll(query.start, query.end, query.time_frame, industries=body["industries"]).body)
        if answer["status"] != "COMPLETE":
            raise ProtocolError("FAILED")
        return decode(answer["data"], query.industry)

    return LocationHistory(ask, "55001", "70001", WallClock(ZONE), industry=industry)


@pytest.mark.parametrize("spec", [WATER, GARDEN, GAS, HEAT, BIG], ids=lambda spec: f"{spec.number} {spec.unit}")
def test_answers_in_each_unit_are_true(spec: MeterSpec) -> None:
    member = Member(home(electric_meter(), spec))
    fetched = history(member, spec.industry.lower()).fetch(*AUTUMN, KnownMeters(), try_hourly=True)
    assert (fetched.error, fetched.warnings) == (None, [])
    (found,) = fetched.meters
    truths = member.portal.almanac.intervals(spec, *AUTUMN)
    assert len(truths) == (4 if spec.resolution is Resolution.DAYS else 97)
    assert [(each.start, each.end, each.usage, each.export, each.cost) for each in found.readings.readings()] == [
        (each.start, each.end, each.usage, None, each.cost) for each in truths
    ]
    expected = {"GAL": "gallons", "FT3": "gallons", "KGAL": "gallons", "MCF": "ccf", "THERM": "therms"}
    info = found.info
    assert (info.number, info.industry, info.unit) == (spec.number, spec.industry.lower(), expected[spec.unit])
    assert (info.flows, info.parent, info.net, info.exports) == ((), False, False, False)
    assert info.step == (DAILY_STEP if spec.resolution is Resolution.DAYS else spec.step)


def test_a_simulated_house_uses_no_water_at_night() -> None:
    member = Member(home(WATER))
    truths = member.portal.almanac.intervals(WATER, *AUTUMN)
    assert {each.usage for each in truths if (each.start - AUTUMN[0]) % DAY == 2 * HOUR} == {0.0}
    assert sum(each.usage or 0.0 for each in truths) > 100


def test_electricity_is_the_same_beside_water_and_gas() -> None:
    plain, house = electric_meter(), [electric_meter(), WATER, GAS]
    alone, beside = Member(plain), Member(home(*house))
    assert compare(alone, plain, *AUTUMN) == compare(beside, plain, *AUTUMN)
    assert {each["meterNumber"] for each in beside.usage(*AUTUMN)["series"]} == {plain.number}


def test_an_industry_fails_by_itself() -> None:
    member = Member(home(electric_meter(), WATER), failing_industries=("WATER",))
    water = history(member, "water").fetch(*AUTUMN, KnownMeters(), try_hourly=True)
    electric = history(member, "electric").fetch(*AUTUMN, KnownMeters(), try_hourly=True)
    assert (water.meters, electric.error) == ([], None)
    assert isinstance(water.error, ProtocolError)


def test_a_number_that_electricity_has_too_is_told_apart() -> None:
    member = Member(home(electric_meter(number="77"), replace(WATER, number="77")))
    known = KnownMeters(taken={"77"})
    (found,) = history(member, "water").fetch(*AUTUMN, known, try_hourly=True).meters
    assert found.info.number == "77 water"


def test_older_values_in_another_unit_are_left_out() -> None:
    member = Member(home(GAS))
    location = history(member, "gas")
    known = KnownMeters(steps={"9003": 3600}, units={"9003": "therms"})
    fetched = location.fetch(*AUTUMN, known, try_hourly=True)
    assert [each.info.unit for each in fetched.meters] == ["ccf"]
    assert len(fetched.warnings) == 1
