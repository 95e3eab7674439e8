"""Test which locations are read, and how the others are told."""

from dataclasses import replace

import pytest

from exporter.locations import nothing_to_read_message, unread_reason
from exporter.portal.accounts import AccountLocation

from .support.portal import login_of

LOGIN = login_of("https://novec.smarthub.coop")
HOUSE = AccountLocation("55001", "70001", "House", electric=True, active=True, industries=("ELECTRIC", "WATER"))
CLOSED = replace(HOUSE, active=False)
WATER = replace(HOUSE, number="70002", electric=False, industries=("WATER", "SEWER"))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (HOUSE, ""),
        (CLOSED, "closed"),
        (replace(WATER, active=False), "closed"),
        (WATER, "no electricity, only water, sewer"),
        (replace(WATER, industries=()), "no electricity, only unknown services"),
    ],
)
def test_unread_location_has_a_reason(found: AccountLocation, why: str) -> None:
    assert unread_reason(found) == why


def test_message_gives_the_reason_of_each_location() -> None:
    message = nothing_to_read_message(LOGIN, [CLOSED, WATER])
    assert all(f"({unread_reason(each)})" in message for each in (CLOSED, WATER))
    assert "service_location" in message
    assert "service_location" not in nothing_to_read_message(LOGIN, [WATER])
