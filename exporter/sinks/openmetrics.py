"""Write an OpenMetrics file, from which promtool creates blocks.

See docs/samples.md, "Prometheus".

The format needs all samples of a family together, and within it each series in order of time. Chunks have some of
each, so every series is collected in its own part.
"""

from dataclasses import astuple
from itertools import product
from pathlib import Path

from ..metrics.exposition import Format, header, sample_lines
from ..metrics.families import TIMESTAMPED
from .atomic_file import FileSink
from .base import Chunk, Written


class OpenMetricsSink(FileSink):
    """An OpenMetrics file, or standard output if `output` is None."""

    kind = "openmetrics"

    def __init__(self, output: Path | None, *, overwrite: bool) -> None:
        super().__init__(output, overwrite=overwrite)
        self._begun: set[str] = set()

    def write(self, chunk: Chunk) -> Written:
        """Append the samples of a chunk to their series."""
        count = 0
        for meter, (number, timestamped) in product(chunk.meters, enumerate(TIMESTAMPED)):
            family, place = timestamped.family, f"{number:03}"
            labels = chunk.key.labels() | {"meter": meter.info.number}
            by_period = timestamped.samples(meter)
            if by_period and family.name not in self._begun:
                self._begun.add(family.name)
                self.append((place,), header(family))
            for period, samples in by_period.items():
                count += len(samples.stamps)
                lines = sample_lines(family, labels | {"period": period}, samples, Format.OPENMETRICS)
                self.append((place, *astuple(chunk.key), meter.info.number, period), "".join(lines))
        return Written(chunk.key, chunk.start, chunk.end, count)

    def finish(self) -> None:
        """Join the series and put the file in its place."""
        self.append(("end",), "# EOF\n")
        self.publish()
