"""The `kmodgate` command: arguments to verbs, and the one place where errors become exit codes.

It imports no more than `--help` needs: a verb brings the rest.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from kmodgate.renderer.arguments import parse, verb
from kmodgate.renderer.console import Console

_FAILURE = 3
"""ExitCode.FAILURE of renderer.errors, which may not be there to be imported."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    gc.disable()  # specs and manifests hold no cycles, and one run is short: collecting would take a fifth of it
    console = Console()
    if sys.stdin is None:  # closed by whoever started this: there is nothing to read
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 -- open until the end
    try:
        args = parse(sys.argv[1:] if arguments is None else arguments)
        console.choose_color(args.color)
        code = verb(args.verb).run(args, console)
        console.finish()
    except Exception as error:
        try:
            from kmodgate.renderer.failures import explain
        except Exception:  # no memory or no file descriptor is left: the exit code must not be that of findings
            console.say(f"kmodgate: error: {error}")
            return _FAILURE
        code = explain(error, console)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
