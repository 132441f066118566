"""The webhook beside a bare aiohttp server that sends back what it gets, each on one core, the load on another."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.webhook.cluster.live_facts import MODULES, NAMESPACES
from kmodgate.webhook.cluster.watch import Timings
from tests.bench import samples
from tests.bench.load import hostile, outage, throughput, wrk
from tests.bench.load.figure import Figure
from tests.bench.load.wrk import on_core
from tests.bench.measure import QUICK, REPOSITORY
from tests.e2e.objects import node_modules_config
from tests.webhook.api_stub import Answer
from tests.webhook.api_stub import page as listed
from tests.webhook.issued_certificates import AUTHORITY
from tests.webhook.manifests import dump, encoded, large_module, namespace, review
from tests.webhook.program import Caller, Program, memory, program
from tests.webhook.serving import trusting
from tests.webhook.stalling import api_server

ROUNDS = 1 if QUICK else 5
SECONDS = 1 if QUICK else 20
"""How long reviews come at a steady rate, for each figure."""

MIB = 1024 * 1024
_BODIES = 1000
_LARGE_AT_ONCE = 64
_UNKNOWN = 500 if QUICK else 10_000
_CACHED = 500 if QUICK else 10_000


def figures(folder: Path) -> Iterator[Figure]:
    """All of them, in the order of the table."""
    bodies, large = folder / "bodies", folder / "large"
    modules = samples.modules()
    bodies.write_bytes(b"\n".join(samples.numbered(samples.seen_first(modules), _BODIES)))
    large.write_bytes(encoded(review(large_module(3 * MIB))))
    facts = samples.cluster([*modules, *samples.pods()])
    with program(folder / "server", before=on_core(0), facts=facts) as server:
        idle = _memory(server)
        if wrk.is_there():
            yield from throughput.figures(server, folder)
        else:
            print(f"{wrk.INSTALL}: throughput is left out", file=sys.stderr)
            yield Figure("throughput", wrk.INSTALL)
        yield from _latency(server, folder)
        yield from _beside_large(server, folder)
        yield from _beside_strangers(server, folder)
        yield from _unknown_kinds(server)
        yield from _in_memory(server, idle, large.read_bytes())
    yield from _deletions(folder)
    yield from _cached(folder, modules)
    yield from outage.figures(folder / "outage")


# -- latency ---------------------------------------------------------------------------------------


def _steady(server: Program, folder: Path, *more: str) -> dict[str, Any]:
    authority = folder / "authority.pem"
    authority.write_bytes(AUTHORITY.certificate)
    command = [
        *on_core(1), sys.executable, "-m", "tests.bench.load.steady", "--port", str(server.reviews), "--rate", "300",
        "--seconds", str(SECONDS), "--bodies", str(folder / "bodies"), "--authority", str(authority), *more,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _latency(server: Program, folder: Path) -> Iterator[Figure]:
    runs = [_steady(server, folder)["small"] for _ in range(min(ROUNDS, 3))]
    found = min(runs, key=lambda run: float(run["p99"]))
    for percentile, budget in (("p50", 1.0), ("p99", 5.0)):
        value = found[percentile]
        yield Figure(f"300 reviews a second, {percentile}", f"{value:.2f} ms", f"≤ {budget:g} ms", value / budget)


def _beside_large(server: Program, folder: Path) -> Iterator[Figure]:
    found = _steady(server, folder, "--large", str(folder / "large"))
    small, large = found["small"], found["large"]
    words = f"p99 {small['p99']:.1f} ms, longest {small['most']:.1f} ms"
    yield Figure("300 a second, with a Module of 3 MiB each second", words, "≤ 50 ms", small["most"] / 50)
    words = f"p50 {large['p50']:.0f} ms, longest {large['most']:.0f} ms"
    yield Figure("… of 3 MiB", words, "≤ 300 ms", large["most"] / 300)


def _beside_strangers(server: Program, folder: Path) -> Iterator[Figure]:
    for what, file in hostile.written(folder):
        found = _steady(server, folder, "--large", str(file))
        size = file.stat().st_size // 1024
        words = f"p99 {found['small']['p99']:.1f} ms, longest {found['small']['most']:.1f} ms"
        used = found["small"]["most"] / 50
        yield Figure(f"300 a second, with a Module of {size} KiB each second: {what}", words, "≤ 50 ms", used)
        yield Figure("… of that Module", f"p50 {found['large']['p50']:.0f} ms, longest {found['large']['most']:.0f} ms")
    crowds: dict[str, Callable[[int, ExitStack], None]] = {
        "half-sent requests of one address": hostile.half_sent,
        "half-sent requests of five addresses": partial(hostile.half_sent, addresses=5),
        "connections without a word": hostile.idle,
    }
    for what, hold in crowds.items():
        with ExitStack() as stack:
            hold(server.reviews, stack)
            found = _steady(server, folder)["small"]
        words = f"p99 {found['p99']:.1f} ms, longest {found['most']:.1f} ms"
        yield Figure(f"300 a second, beside {hostile.CROWD} {what}", words, "≤ 50 ms", found["most"] / 50)


def _deletions(folder: Path) -> Iterator[Figure]:
    """Namespaces that are deleted, while it is known of so many nodes what they have loaded."""
    spaces = [namespace(f"space-{number}") for number in range(_BODIES)]
    (folder / "bodies").write_bytes(b"\n".join(encoded(review(item, operation="DELETE")) for item in spaces))
    for nodes in (1_000, 10_000):
        drivers = [{"metadata": {"name": "nic", "namespace": f"space-{number}"}} for number in range(50)]
        configs = [node_modules_config(f"node-{number}", drivers[number % 50]) for number in range(nodes)]
        facts = dump([*spaces, *configs])
        with program(folder / f"server-{nodes}", before=on_core(0), facts=facts) as server:
            found = _steady(server, folder)["small"]
            words = f"p50 {found['p50']:.2f} ms, p99 {found['p99']:.2f} ms, {_memory(server):.0f} MiB"
        yield Figure(f"300 deletions of namespaces a second, {nodes:,} NodeModulesConfigs known", words)


# -- memory ----------------------------------------------------------------------------------------


def _memory(server: Program) -> float:
    """MiB of all its processes, with pages that they share counted for each."""
    return sum(memory(pid)["Rss"] for pid in server.processes()) / MIB


def _cached(folder: Path, modules: Sequence[dict[str, Any]]) -> Iterator[Figure]:
    """What the server's own process takes once it has listed so many namespaces and Modules of an API server."""
    names = [f"space-{number}" for number in range(_CACHED)]
    kept = [item | {"metadata": item["metadata"] | {"namespace": name}} for name, item in zip(names, cycle(modules))]
    with api_server(folder) as stub:
        stub.lists(*_pages([namespace(name) for name in names]), path=NAMESPACES.path)
        stub.lists(*_pages(kept), path=MODULES.path)
        with program(folder / "cached", "--kubeconfig", str(stub.kubeconfig), before=on_core(0)) as server:
            while server.metric('kmodgate_facts_objects{kind="Module"}') < _CACHED:
                time.sleep(0.1)
            found = memory(server.process.pid)["Rss"] / MIB
    yield Figure(f"memory with {_CACHED:,} namespaces and Modules cached", f"{found:.0f} MiB", "≤ 120 MiB", found / 120)


def _pages(items: Sequence[dict[str, Any]]) -> Iterator[Answer]:
    """Lists as an API server gives them: so many objects each as it is asked for."""
    size = Timings().page
    for begin in range(0, len(items), size):
        yield listed(*items[begin : begin + size], following="more" if begin + size < len(items) else "")


def _in_memory(server: Program, idle: float, body: bytes) -> Iterator[Figure]:
    peak, accepted = asyncio.run(_crowded(server, body))
    yield Figure("memory when started, RSS of both processes", f"{idle:.0f} MiB")
    what = f"peak of {_LARGE_AT_ONCE} Modules of 3 MiB at once, {accepted} taken"
    yield Figure(what, f"{peak:.0f} MiB", "≤ 384 MiB", peak / 384)


def _unknown_kinds(server: Program) -> Iterator[Figure]:
    before = _memory(server)
    statuses = asyncio.run(_sent(server, hostile.unknown_kinds(_UNKNOWN)))
    told = f"{statuses[200]:,} not asked for and let by, {statuses[400]:,} bad requests"
    words = f"{before:.0f} → {_memory(server):.0f} MiB; {told}"
    yield Figure(f"memory before and after {_UNKNOWN:,} reviews, each of another unknown kind", words)


async def _sent(server: Program, bodies: Iterator[bytes]) -> Counter[int]:
    """The codes by which reviews are answered that one caller sends, one after the other; 200 is an allowed one."""
    context, found = trusting(AUTHORITY), Counter[int]()
    caller = await Caller.connect(server.reviews, context)
    for body in bodies:
        reply = await caller.post(body, "/validate?timeout=30s")
        found[reply.response.get("status", {}).get("code", 200)] += 1
        if reply.closes:
            caller.leave()
            caller = await Caller.connect(server.reviews, context)
    caller.leave()
    return found


async def _crowded(server: Program, body: bytes) -> tuple[float, int]:
    context = trusting(AUTHORITY)
    callers = [await Caller.connect(server.reviews, context) for _ in range(_LARGE_AT_ONCE)]
    calls = asyncio.gather(*(caller.post(body, "/validate?timeout=30s") for caller in callers))
    peak = 0.0
    while not calls.done():
        peak = max(peak, _memory(server))
        await asyncio.sleep(0.005)
    return peak, sum(reply.status == 200 for reply in await calls)


def page(folder: Path) -> str:
    """The section of docs/performance.md."""
    began = time.monotonic()
    rows = [f"| {row.what} | {row.found} | {row.budget} | {_kept(row)} |\n" for row in figures(folder)]
    seconds = f"{time.monotonic() - began:.0f}"
    modules, written = len(samples.modules()), len(samples.objects(samples.MODULES, *MODULE_KINDS))
    return _HEAD.format(seconds=seconds, modules=modules, written=written, pods=len(samples.PODS)) + "".join(rows)


def _kept(row: Figure) -> str:
    if row.used is None:
        return ""
    return f"{row.used:.0%}" if row.used <= 1 else f"**{row.used:.0%}, over**"


_HEAD = """\
## The webhook

Written by `python -m tests.bench webhook`, which is a part of `make bench`, in {seconds} seconds. Over TLS on loopback,
server and load on a core each, 16 connections. The reviews are those of a corpus (`tests/bench/corpus`): {modules}
Modules, which are the ones that the examples render and {written} written after public ones, and {pods} ordinary Pods,
each with the managers of its fields. At first sight each object is another one than all before, with other images; seen
before are updates that change nothing, with another uid and version, and more pods of the same workloads. 20 nodes and
50 Modules are known. Throughput is the best of five runs of three seconds, taken in turn by `wrk`; "each" is what the
server's processor takes for one answer. Reviews a second come at their time whatever the server does, and are measured
from then. Answers that turn away (429) are counted with ten times the connections, and are failures elsewhere. What
others do on the machine counts: read the ratios, and where it was busy those by the processor.

| what | found | budget | of budget |
| --- | --- | --- | --- |
"""
