"""Rows of pages, as text that becomes bytes."""

import logging
from functools import cache

_log = logging.getLogger("exporter.web")


def encodable(row: str) -> bool:
    """Return whether a row can be encoded, and log the first one that cannot.

    A page leaves such a row out, so that the text of one location does not take the page from all others.
    """
    try:
        row.encode()
    except UnicodeEncodeError:
        _report()
        return False
    return True


@cache
def _report() -> None:
    # Without its text, which may be a name.
    _log.warning("left out a row of the pages because its text is not valid Unicode")
