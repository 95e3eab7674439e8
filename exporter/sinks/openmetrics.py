"""Into an OpenMetrics file, of which promtool makes blocks for Prometheus (tsdb-facts B4).

That format wants all samples of a family together, and in it all samples of a series by time, while chunks bring some
of each: every series is gathered in a part of its own.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import astuple

from ..intervals.model import Meter
from ..metrics.exposition import Format, header, sample_lines
from ..metrics.families import TIMESTAMPED, Sample, TimestampedFamily
from .atomic_file import FileSink, Key
from .base import Chunk, Written

_END = "# EOF\n"


class OpenMetricsSink(FileSink):
    """An OpenMetrics file, or standard output where `output` is None."""

    kind = "openmetrics"

    def write(self, chunk: Chunk) -> Written:
        """Add the samples of a chunk to their series."""
        count = 0
        for meter in chunk.meters:
            for timestamped in TIMESTAMPED:
                count += self._add(chunk, meter, timestamped)
        return Written(chunk.key, chunk.start, chunk.end, count)

    def finish(self) -> None:
        """Put the series together, and the file in its place."""
        self.publish(self._pieces())

    def _add(self, chunk: Chunk, meter: Meter, timestamped: TimestampedFamily) -> int:
        by_period: dict[str, list[Sample]] = defaultdict(list)
        for sample in timestamped.samples(meter):
            by_period[sample[0]].append(sample)
        for period, samples in by_period.items():
            lines = sample_lines(timestamped.family, chunk.key, meter, samples, Format.OPENMETRICS)
            self.append((timestamped.family.name, *astuple(chunk.key), meter.info.number, period), "".join(lines))
        return sum(len(samples) for samples in by_period.values())

    def _pieces(self) -> Iterator[str | Key]:
        keys = self.parts
        for timestamped in TIMESTAMPED:
            own = [key for key in keys if key[0] == timestamped.family.name]
            if own:
                yield header(timestamped.family)
                yield from own
        yield _END
