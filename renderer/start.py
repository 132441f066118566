"""The entry of the `kmodgate` command: Ctrl-C, or being asked to end, ends it cleanly from the first moment on.

An interrupt that is raised as an exception may surface anywhere: in the import of a module, or in a library that turns
it into an error of its own. Nothing here needs to be cleaned up by the program itself, since a run may be killed at any
point, so it just ends.
"""

import signal

from kmodgate.renderer.interrupts import SIGNALS, end_at_once


def main() -> int:
    """Runs one command; returns its exit code."""
    for number in SIGNALS:
        signal.signal(number, end_at_once)
    from kmodgate.renderer.cli import main as run

    return run()


if __name__ == "__main__":
    from kmodgate.renderer import start  # not this module, which is called __main__, but the one that others import

    raise SystemExit(start.main())
