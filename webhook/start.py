"""The entry of the `kmodgate-webhook` command: names the extra to install where its packages are missing."""

from __future__ import annotations

import sys

EXTRA = frozenset({"aiohttp", "cryptography", "kubernetes", "orjson", "prometheus_client", "uvloop"})
"""The packages of the extra `webhook`."""


def main() -> int:
    """Runs the server; returns its exit code, 2 in an installation without the extra."""
    try:
        from kmodgate.webhook.main import main as run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA:
            raise
        text = f"the package {missing} is not installed; the webhook is an extra: pip install 'kmodgate[webhook]'"
        print(f"kmodgate-webhook: {text}", file=sys.stderr)
        return 2
    return run()


if __name__ == "__main__":
    raise SystemExit(main())
