"""What is behind an error of an HTTP call: libraries wrap them several times over."""

from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error itself and everything that it came from."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        item = pending.pop()
        if id(item) not in seen and isinstance(item, BaseException):
            seen.add(id(item))
            yield item
            pending += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
