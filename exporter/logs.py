"""Logging in the style of Prometheus: one line per event, logfmt or JSON."""

import json
import logging
import sys
from datetime import UTC, datetime

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
FORMATS = ("logfmt", "json")

_LEVEL_NAMES = {logging.WARNING: "warn", logging.CRITICAL: "error"}
_STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def set_up(level: str, form: str) -> None:
    """Log to standard error; other libraries only log warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Logfmt())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("exporter").setLevel(LEVELS[level])
    # The library's warnings quote URLs, and a portal's URLs contain the member's email address.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    when = datetime.fromtimestamp(record.created, UTC)
    return {
        "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": _LEVEL_NAMES.get(record.levelno, record.levelname.lower()),
        "msg": record.getMessage(),
        **{name: value for name, value in record.__dict__.items() if name not in _STANDARD},
    }


class _Logfmt(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = " ".join(f"{name}={_quoted(str(value))}" for name, value in _fields(record).items())
        return line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        if record.exc_info is not None:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def _quoted(value: str) -> str:
    if value and value.isprintable() and not set(value) & set(' "='):
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())
