"""Write an OpenMetrics file, from which promtool creates blocks.

See docs/samples.md, "Prometheus".

The format needs all samples of a family together, and within it each series in order of time. Chunks have some of
each, so every series is collected in its own part.
"""

from pathlib import Path

from ..metrics.exposition import Format, header, sample_lines
from ..metrics.families import TIMESTAMPED, series_of
from .atomic_file import FileSink
from .base import Chunk, Written

_PLACES = {each.family.name: f"{number:03}" for number, each in enumerate(TIMESTAMPED)}


class OpenMetricsSink(FileSink):
    """An OpenMetrics file, or standard output if `output` is None."""

    def __init__(self, output: Path | None, *, overwrite: bool) -> None:
        super().__init__(output, overwrite=overwrite)
        self._begun: set[str] = set()

    def write(self, chunk: Chunk) -> Written:
        """Append the samples of a chunk to their series."""
        count = 0
        for series in series_of(chunk.location):
            place = _PLACES[series.family.name]
            if place not in self._begun:
                self._begun.add(place)
                self.append((place,), header(series.family))
            count += len(series.samples.stamps)
            self.append((place, *series.labels.values()), "".join(sample_lines(series, Format.OPENMETRICS)))
        return Written(chunk.key, chunk.start, chunk.end, count)

    def finish(self) -> None:
        """Join the series and put the file in its place."""
        self.append(("end",), "# EOF\n")
        self.publish()
