"""`python -m tests.soak`: the webhook at work for SOAK_SECONDS (180), on loopback; it must not grow, and lose no call.

Reviews of every kind on kept and new connections, large ones among them, while its certificate and its policy are
replaced again and again. Prints a summary, and ends with 1 where something failed, leaked or grew.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.load import Load
from tests.soak.watch import Watcher
from tests.webhook.program import program

ROTATIONS = 100
_SHORTEST = 30.0


def main() -> int:
    seconds = max(float(os.environ.get("SOAK_SECONDS", "180")), _SHORTEST)
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.yaml"
        policy.write_text(_policy(0))
        with program(Path(folder) / "server", "--policy", str(policy), "--drain", "1") as server:
            load, watcher = Load(server), Watcher(server)
            asyncio.run(_soak(load, watcher, policy, seconds))
            load.failures += [f"exit code {code}"] if (code := server.end()) else []
            answered, logged = load.answered.total(), server.decisions()
    if answered != logged:
        load.failures.append(f"{answered} answers, and {logged} lines in the audit log")
    problems = [*load.failures, *watcher.problems()]
    print(f"{seconds:.0f} s: {load.summary()}; {watcher.summary()}")
    print("\n".join(problems[:20]) or "nothing failed, nothing leaked, nothing grew")
    return 1 if problems else 0


async def _soak(load: Load, watcher: Watcher, policy: Path, seconds: float) -> None:
    await load.one_of_each()
    await watcher.idle()
    end = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(load.call_until(end))
        group.create_task(load.connect_until(end))
        group.create_task(load.large_until(end))
        rotations = min(ROTATIONS, int(seconds / 1.6))  # the server looks at its files every second
        group.create_task(load.rotate_until(end, rotations, seconds / (rotations + 5)))
        group.create_task(_change_policy(policy, end))
        group.create_task(watcher.watch(end))
    await load.leave()
    await watcher.idle()


async def _change_policy(path: Path, end: float) -> None:
    """Another policy every three seconds, each fifth of them broken: then the last good one stays in force."""
    number = 0
    while time.monotonic() < end:
        number += 1
        new = path.with_suffix(".new")
        new.write_text("spec: [" if number % 5 == 0 else _policy(number))
        new.rename(path)
        await asyncio.sleep(3)


def _policy(number: int) -> str:
    return (
        "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: soak}\n"
        f"spec: {{clusters: {{matchLabels: {{}}}}, parameters: {{maxMappings: {500 + number}}}}}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
