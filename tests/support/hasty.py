"""The program with short waits: `python -m tests.support.hasty backfill`."""

import sys
from argparse import ArgumentParser, Namespace

from exporter import cli
from exporter.commands import backfill
from exporter.sinks.base import Patience

MODULE = "tests.support.hasty"
PATIENCE = Patience(retries=(0.05, 0.05, 0.05), settling=0.2, visible=0.2, probe=0.2)


class HastyBackfill:
    """The backfill command with short waits."""

    def add_flags(self, parser: ArgumentParser) -> None:
        backfill.add_flags(parser)

    def run(self, arguments: Namespace) -> int:
        return backfill.run(arguments, PATIENCE)


def main() -> int:
    """Run the command in `sys.argv`."""
    return cli.main(load=lambda _: HastyBackfill())


if __name__ == "__main__":
    sys.exit(main())
