"""Test what is kept of the lists of locations."""

from pathlib import Path

from exporter.storage.state import StateFile


def test_a_listing_is_kept_by_login(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    assert state.listing("one") == ""
    for text in ("old", "new", "new"):
        state.keep_listing("one", text)
    state.keep_listing("two", "other")
    state.close()

    again = StateFile(tmp_path)
    assert [again.listing(login) for login in ("one", "two", "three")] == ["new", "other", ""]
    again.close()


def test_an_unchanged_listing_is_not_written_again(tmp_path: Path) -> None:
    ours, theirs = StateFile(tmp_path), StateFile(tmp_path)
    theirs.keep_listing("one", "70001")
    assert ours.changed_elsewhere()
    theirs.keep_listing("one", "70001")
    assert not ours.changed_elsewhere()
    ours.close()
    theirs.close()
