"""Rows that cannot be encoded."""

import logging

import pytest

from exporter.web.rows import _report, encodable


def test_a_row_with_a_lone_surrogate_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    _report.cache_clear()
    rows = ["", "Käse 🧀", "a\ud800b", "\udfff", "\0"]
    assert [encodable(row) for row in rows] == [True, True, False, False, True]
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "left out a row of the pages because its text is not valid Unicode")
    ]
