"""Tests of the names of the simulated co-op, and of its directory."""

import pytest

from exporter.simulator.coops import coop, find_coops
from exporter.simulator.settings import Search


@pytest.mark.parametrize(
    ("words", "is_found"),
    [("pied", True), ("SIMULATED", True), ("piedmont simulated", True), ("electric", True), ("imulated", False)],
)
def test_words_of_a_name_are_found_by_their_beginning(words: str, *, is_found: bool) -> None:
    found = find_coops(words, Search.OK, "Piedmont Simulated Electric", "http://127.0.0.1:1")
    assert found == ([coop("Piedmont Simulated Electric", "http://127.0.0.1:1")] if is_found else [])


def test_made_up_coops_have_domains_of_their_own() -> None:
    found = find_coops("piedmont", Search.THREE, "Piedmont Simulated Electric", "here")
    assert [each["domain"] for each in found] == ["here", "imagined", "invented"]


def test_a_hit_may_lack_its_domain() -> None:
    (found,) = find_coops("piedmont", Search.NO_DOMAIN, "Piedmont Simulated Electric", "here")
    assert "domain" not in found
    assert found["name"] == "Piedmont Simulated Electric"
