"""Write a CSV file for spreadsheets: docs/samples.md, "CSV"."""

from dataclasses import astuple
from datetime import datetime
from pathlib import Path

from ..intervals.interval import Interval
from ..intervals.model import Meter
from .atomic_file import FileSink
from .base import Chunk, Written

HEADER = "start,end,portal,account,location,meter,usage_kwh,export_kwh,cost_usd\n"
_PART = ()
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CSVSink(FileSink):
    """A CSV file, or standard output if `output` is None.

    Standard output receives each chunk at once.

    Lines are written chunk by chunk, each sorted by meter and time.
    """

    def __init__(self, output: Path | None, *, overwrite: bool) -> None:
        super().__init__(output, overwrite=overwrite)
        self.streams = output is None
        self._begun = False

    def open(self, oldest: int) -> list[str]:
        """Check that the file can be written. Raises ConfigError."""
        return [] if self.streams else super().open(oldest)

    def write(self, chunk: Chunk) -> Written:
        """Append the intervals of a chunk."""
        meters = sorted(chunk.meters, key=lambda each: each.info.number)
        rows = [
            _row(chunk, meter, each)
            for meter in meters
            for each in meter.intervals
            if each.has_energy or each.cost is not None
        ]
        if rows:
            self._add("".join(rows))
        return Written(chunk.key, chunk.start, chunk.end, len(rows))

    def finish(self) -> None:
        """Put the file in its place; without intervals it has only a header."""
        if not self._begun:
            self._add("")
        if not self.streams:
            self.publish()

    def _add(self, text: str) -> None:
        text = text if self._begun else HEADER + text
        if self.streams:
            self.stream(text.encode())
        else:
            self.append(_PART, text)
        self._begun = True


def _row(chunk: Chunk, meter: Meter, each: Interval) -> str:
    """Return an interval as a line. Floats are written like repr, None as nothing."""
    times = (datetime.fromtimestamp(instant, chunk.zone).isoformat() for instant in (each.start, each.end))
    texts = map(_cell, (*astuple(chunk.key), meter.info.number))
    numbers = ("" if value is None else repr(value) for value in (each.usage, each.export, each.cost))
    return ",".join((*times, *texts, *numbers)) + "\n"


def _cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet runs as a formula.

    The csv module does not quote a carriage return, which would begin another row.
    """
    text = f"'{text}" if text.startswith(_FORMULA) else text
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text
