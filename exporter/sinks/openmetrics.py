"""Into an OpenMetrics file, of which promtool makes blocks for Prometheus (tsdb-facts B4).

That format wants all samples of a family together, and in it all samples of a series by time, while chunks bring some
of each: every series is gathered in a part of its own.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ..intervals.model import Meter
from ..metrics.exposition import Format, header, sample_lines
from ..metrics.families import TIMESTAMPED, Sample, TimestampedFamily
from .atomic_file import AtomicFile, Key
from .base import Chunk, Sink, Written

_END = "# EOF\n"


class OpenMetricsSink(Sink):
    """An OpenMetrics file, or standard output where `output` is None."""

    oldest_first = True
    resumes = False
    is_verified = False
    is_remote = False

    def __init__(self, output: Path | None, *, overwrite: bool) -> None:
        self._file = AtomicFile("openmetrics", output, overwrite=overwrite)
        self.name = self._file.name

    def open(self, oldest: int) -> list[str]:  # noqa: ARG002 - a file keeps everything
        """Prove that a file can be made there."""
        self._file.open()
        return []

    def write(self, chunk: Chunk) -> Written:
        """Add the samples of a chunk to their series."""
        count = 0
        for meter in chunk.meters:
            for timestamped in TIMESTAMPED:
                count += self._add(chunk, meter, timestamped)
        return Written(chunk.key, chunk.start, chunk.end, count)

    def finish(self) -> None:
        """Put the series together, and the file in its place."""
        self._file.publish(self._pieces())

    def close(self) -> None:
        """Remove what is unfinished."""
        self._file.close()

    def _add(self, chunk: Chunk, meter: Meter, timestamped: TimestampedFamily) -> int:
        by_period: dict[str, list[Sample]] = defaultdict(list)
        for sample in timestamped.samples(meter):
            by_period[sample[0]].append(sample)
        place = (chunk.key.portal, chunk.key.account, chunk.key.location, meter.info.number)
        for period, samples in by_period.items():
            lines = sample_lines(timestamped.family, chunk.key, meter, samples, Format.OPENMETRICS)
            self._file.append((timestamped.family.name, *place, period), "".join(lines))
        return sum(len(samples) for samples in by_period.values())

    def _pieces(self) -> Iterator[str | Key]:
        keys = self._file.parts()
        for timestamped in TIMESTAMPED:
            own = [key for key in keys if key[0] == timestamped.family.name]
            if own:
                yield header(timestamped.family)
                yield from own
        yield _END
