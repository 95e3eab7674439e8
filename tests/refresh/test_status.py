"""Tests of the results of refreshes: kinds of failures, and which locations are withheld from /metrics."""

import pytest

from exporter.errors import AccessError, CredentialsError, PendingError, PortalError, ProtocolError, TransportError
from exporter.intervals.model import LocationKey
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.refresh.status import Failure, FailureKind, LocationStatus, LoginStatus, withheld_locations

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


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TransportError(), FailureKind.FAILED),
        (ProtocolError(), FailureKind.FAILED),
        (PendingError(), FailureKind.COMPUTING),
        (CredentialsError(), FailureKind.ACTION_NEEDED),
        (AccessError(), FailureKind.ACTION_NEEDED),
    ],
)
def test_kind_of_failure_says_whether_someone_must_act(error: PortalError, kind: FailureKind) -> None:
    assert Failure.of(error).kind is kind
    error.is_pause = True
    assert Failure.of(error).kind is FailureKind.PAUSED


def test_failing_is_long_after_six_hours() -> None:
    failing = LoginStatus(failing_since=1000.0)
    assert [failing.is_failing_long(1000.0 + hours * 3600) for hours in (0, 5.99, 6)] == [False, False, True]
    assert not LoginStatus().is_failing_long(1e9)
