"""`python -m exporter`, and the command `smarthub-exporter`."""

import signal
import sys


def run() -> int:
    """Run the command line; SIGTERM works like Ctrl-C, from the beginning."""
    # Held back until `main` has loaded the command and can end cleanly.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from .cli import main  # noqa: PLC0415

    return main()


if __name__ == "__main__":
    sys.exit(run())
