"""Measure, and say for each line if it is within its bar. Exits with 1 if one is not."""

import argparse
import sys
from collections.abc import Callable, Iterator

from .backfill import backfills
from .lines import Line, as_json, as_markdown, as_text
from .meters import meters
from .pages import pages
from .stages import stages

GROUPS: dict[str, Callable[[], Iterator[Line]]] = {
    "backfills": backfills,
    "stages": stages,
    "pages": pages,
    "meters": meters,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help=f"what to measure: {', '.join(GROUPS)} (default: all)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const=as_json, help="print JSON")
    form.add_argument("--markdown", dest="form", action="store_const", const=as_markdown, help="print a table")
    arguments = parser.parse_args()
    if unknown := set(arguments.groups) - set(GROUPS):
        parser.error(f"unknown group: {', '.join(sorted(unknown))}; use some of {', '.join(GROUPS)}")
    lines: list[Line] = []
    for name in arguments.groups or GROUPS:
        for line in GROUPS[name]():
            lines.append(line)
            # The lines are also progress: on standard error if something else is the result.
            print(as_text(line), file=sys.stderr if arguments.form else sys.stdout, flush=True)
    if arguments.form:
        print(arguments.form(lines))
    return int(any(line.passed is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
