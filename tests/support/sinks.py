"""A sink that stores nothing."""

from exporter.sinks.base import Chunk, Sink, Written


class IdleSink(Sink):
    """Opens, finishes and closes; tests add what they look at."""

    def open(self, oldest: int) -> list[str]:
        return []

    def write(self, chunk: Chunk) -> Written:
        raise NotImplementedError

    def finish(self) -> None:
        pass

    def close(self) -> None:
        pass
