"""Into a CSV file, for spreadsheets (contract 7)."""

import csv
import io
from datetime import datetime
from pathlib import Path

from ..intervals.model import Interval, Meter
from .atomic_file import AtomicFile, send_to_stdout
from .base import Chunk, Sink, Written

HEADER = "start,end,portal,account,location,meter,usage_kwh,export_kwh,cost_usd\n"


class CSVSink(Sink):
    """A CSV file, or standard output where `output` is None.

    A file is sorted by location, meter and time. What goes to standard output goes at once, chunk by chunk: of a
    location with several meters each chunk is sorted by itself.
    """

    oldest_first = True
    resumes = False
    is_verified = False
    is_remote = False

    def __init__(self, output: Path | None, *, overwrite: bool) -> None:
        self.streams = output is None
        self._begun = False
        self._file = AtomicFile("csv", output, overwrite=overwrite)
        self.name = self._file.name

    def open(self, oldest: int) -> list[str]:  # noqa: ARG002 - a file keeps everything
        """Prove that a file can be made there."""
        if not self.streams:
            self._file.open()
        return []

    def write(self, chunk: Chunk) -> Written:
        """Add the intervals of a chunk."""
        count = 0
        for meter in sorted(chunk.meters, key=lambda each: each.info.number):
            rows = _rows(chunk, meter)
            if not rows:
                continue
            buffer = io.StringIO()
            csv.writer(buffer, lineterminator="\n").writerows(rows)
            count += len(rows)
            self._add((chunk.key.portal, chunk.key.account, chunk.key.location, meter.info.number), buffer.getvalue())
        return Written(chunk.key, chunk.start, chunk.end, count)

    def finish(self) -> None:
        """Put the file in its place; an empty range is a file with only a header."""
        if not self.streams:
            self._file.publish([HEADER, *self._file.parts()])
        elif not self._begun:
            self._stream("")

    def close(self) -> None:
        """Remove what is unfinished."""
        self._file.close()

    def _add(self, key: tuple[str, ...], text: str) -> None:
        if self.streams:
            self._stream(text)
        else:
            self._file.append(key, text)

    def _stream(self, text: str) -> None:
        with self._file.wrapped_errors():
            send_to_stdout(text if self._begun else HEADER + text)
        self._begun = True


def _rows(chunk: Chunk, meter: Meter) -> list[tuple[object, ...]]:
    """Only what has a value; csv writes floats as repr does, and None as nothing."""

    def row(each: Interval) -> tuple[object, ...]:
        start, end = (datetime.fromtimestamp(instant, chunk.zone).isoformat() for instant in (each.start, each.end))
        place = (chunk.key.portal, chunk.key.account, chunk.key.location, meter.info.number)
        return (start, end, *place, each.usage, each.export, each.cost)

    return [row(each) for each in meter.intervals if each.has_energy or each.cost is not None]
