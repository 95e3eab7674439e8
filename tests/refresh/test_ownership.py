"""Tests of which login reads a location that several logins see."""

import logging
import threading

import pytest

from exporter.config import Login
from exporter.intervals.model import LocationKey
from exporter.refresh.ownership import Ownership

from ..support.portal import login_of

URL = "https://novec.smarthub.coop"
HOUSE, BARN, MILL = (LocationKey("novec", "55001", number) for number in ("70001", "70002", "70003"))
ELSEWHERE = LocationKey("sawnee", "55001", "70001")


def logins(count: int = 3) -> list[Login]:
    return [login_of(URL, name=f"login{index}") for index in range(count)]


def test_skipped_shared_location_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ownership = Ownership(logins(2))

    for _ in range(5):
        assert ownership.claim(0, [HOUSE, BARN]) == {HOUSE, BARN}
        assert ownership.claim(1, [BARN, MILL]) == {MILL}

    assert [record.getMessage() for record in caplog.records] == [
        "location 70002 of account 55001 is read by login login0, the first in the file; login login1 skips it"
    ]


def test_first_of_three_logins_reads_a_shared_location() -> None:
    ownership = Ownership(logins(3))

    owned = [ownership.claim(index, [HOUSE]) for index in range(3)]

    assert owned == [{HOUSE}, frozenset(), frozenset()]


def test_same_numbers_at_another_portal_are_another_location() -> None:
    ownership = Ownership([login_of(URL, name="here"), login_of("https://sawnee.smarthub.coop", name="there")])

    assert ownership.claim(0, [HOUSE]) == {HOUSE}
    assert ownership.claim(1, [ELSEWHERE]) == {ELSEWHERE}


def test_login_of_another_portal_is_not_waited_for() -> None:
    ownership = Ownership([login_of("https://sawnee.smarthub.coop", name="there"), login_of(URL, name="here")])

    assert ownership.claim(1, [HOUSE]) == {HOUSE}


def test_login_waits_for_the_one_before_it() -> None:
    ownership = Ownership(logins(2))
    owned: list[frozenset[LocationKey]] = []
    second = threading.Thread(target=lambda: owned.append(ownership.claim(1, [HOUSE, BARN])))
    second.start()
    second.join(0.1)
    assert second.is_alive()

    ownership.claim(0, [HOUSE])
    second.join(5)

    assert owned == [{BARN}]


def test_failed_login_is_not_waited_for() -> None:
    ownership = Ownership(logins(2))
    ownership.failed(0)

    assert ownership.claim(1, [HOUSE]) == {HOUSE}


def test_login_that_recovers_gets_its_locations_back() -> None:
    ownership = Ownership(logins(2))
    ownership.failed(0)
    ownership.claim(1, [HOUSE])

    assert ownership.claim(0, [HOUSE]) == {HOUSE}
    assert ownership.claim(1, [HOUSE]) == frozenset()


def test_login_that_fails_later_keeps_its_locations() -> None:
    ownership = Ownership(logins(2))
    ownership.claim(0, [HOUSE])
    ownership.failed(0)

    assert ownership.claim(1, [HOUSE]) == frozenset()


def test_login_with_a_rejected_sign_in_loses_its_locations() -> None:
    ownership = Ownership(logins(2))
    ownership.claim(0, [HOUSE])
    ownership.failed(0, is_rejected=True)

    assert ownership.claim(1, [HOUSE]) == {HOUSE}


def test_location_the_first_no_longer_sees_goes_to_the_second() -> None:
    ownership = Ownership(logins(2))
    ownership.claim(0, [HOUSE])
    ownership.claim(1, [HOUSE])

    ownership.claim(0, [BARN])

    assert ownership.claim(1, [HOUSE]) == {HOUSE}


def test_all_locations_are_known_once_all_logins_answered() -> None:
    ownership = Ownership(logins(2))
    assert ownership.all_locations() is None
    ownership.claim(0, [HOUSE])
    assert ownership.all_locations() is None
    ownership.failed(1)
    assert ownership.all_locations() is None

    ownership.claim(1, [HOUSE, BARN])

    assert ownership.all_locations() == frozenset({HOUSE, BARN})


# -- which login reads a location, for pages


def test_reader_is_the_first_that_sees_a_location() -> None:
    ownership = Ownership(logins(2))
    ownership.claim(0, [HOUSE])
    ownership.claim(1, [HOUSE, BARN])

    assert [ownership.reader(key) for key in (HOUSE, BARN)] == ["login0", "login1"]


def test_reader_before_any_answer_is_the_one_that_was_listed() -> None:
    ownership = Ownership(logins(2))
    assert ownership.reader(HOUSE) == "login0"
    ownership.expect(0, [BARN])
    ownership.expect(1, [HOUSE, BARN])
    assert [ownership.reader(key) for key in (HOUSE, BARN)] == ["login1", "login0"]

    ownership.claim(0, [HOUSE])

    assert [ownership.reader(key) for key in (HOUSE, BARN)] == ["login0", "login1"]


def test_location_of_no_login_has_no_reader() -> None:
    assert Ownership(logins(2)).reader(ELSEWHERE) is None


def test_reader_stays_until_another_login_takes_over() -> None:
    ownership = Ownership(logins(3))
    ownership.claim(0, [])
    ownership.claim(1, [HOUSE])
    ownership.failed(1, is_rejected=True)
    assert ownership.reader(HOUSE) == "login1"

    ownership.claim(2, [HOUSE])

    assert ownership.reader(HOUSE) == "login2"


def test_all_locations_are_the_same_object_until_they_change() -> None:
    ownership = Ownership(logins(2))
    ownership.claim(0, [HOUSE])
    assert ownership.all_locations() is None
    ownership.claim(1, [BARN])
    before = ownership.all_locations()
    assert before == frozenset({HOUSE, BARN})

    ownership.claim(1, [BARN])
    assert ownership.all_locations() is before
    ownership.claim(1, [BARN, MILL])
    assert ownership.all_locations() == frozenset({HOUSE, BARN, MILL})
    ownership.failed(0, is_rejected=True)
    assert ownership.all_locations() is None
