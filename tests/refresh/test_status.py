"""Tests of which locations are withheld from /metrics."""

from exporter.intervals.model import LocationKey
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.refresh.status import LocationStatus, LoginStatus, withheld_locations

HOUSE, BARN = (LocationKey("novec", "55001", number) for number in ("70001", "70002"))


def status(*keys: LocationKey, up: bool, state: ZoneState) -> LoginStatus:
    verdict = ZoneVerdict(state, ("America/Denver",))
    return LoginStatus(zone=verdict, locations=dict.fromkeys(keys, LocationStatus(up=up)))


def test_locations_of_a_contradicted_login_are_withheld() -> None:
    for up in (True, False):
        assert withheld_locations([status(HOUSE, BARN, up=up, state=ZoneState.CONTRADICTED)]) == {HOUSE, BARN}
    for state in set(ZoneState) - {ZoneState.CONTRADICTED}:
        assert withheld_locations([status(HOUSE, up=True, state=state)]) == frozenset()


def test_location_that_another_login_reads_is_served() -> None:
    """Before its first refresh, a login has all stored locations of its portal."""
    wrong, right = status(HOUSE, BARN, up=False, state=ZoneState.CONTRADICTED), ZoneState.FITS
    assert withheld_locations([wrong, status(BARN, up=True, state=right)]) == {HOUSE}
    assert withheld_locations([wrong, status(BARN, up=False, state=right)]) == {HOUSE, BARN}
