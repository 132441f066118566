"""Reviews of the corpus as fast as they are answered, beside a bare echo and KMM's own server, each on one core."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import samples
from tests.bench.load import kmm_server, wrk
from tests.bench.load.figure import Figure
from tests.bench.load.wrk import Throughput, on_core
from tests.bench.measure import QUICK, REPOSITORY
from tests.bench.samples import Object
from tests.webhook.program import Program, program

ROUNDS = 1 if QUICK else 5

_ECHO, _WEBHOOK, _PARITY, _KMM = "bare echo", "webhook", "webhook, profile `parity`", "KMM's own server"
_OTHERS = {_ECHO: "the echo", _KMM: "KMM's server"}


@dataclass(frozen=True, slots=True)
class Row:
    """Reviews of a kind: what they are, and the shares of the echo's and of KMM's rate that they must reach."""

    what: str
    bodies: Callable[[Iterable[Object]], list[bytes]]
    of: Callable[[], list[Object]]
    echo: float | None = None
    kmm: float | None = None


ROWS = (
    Row("Modules at first sight", samples.seen_first, samples.modules, 0.25, 0.6),
    Row("Modules seen before", samples.seen_before, samples.modules, 0.5, 1.3),
    Row("Pods at first sight", samples.seen_first, samples.pods, 0.4),
    Row("Pods of workloads seen before", samples.made_again, samples.pods, 0.5),
)


def figures(server: Program, folder: Path) -> Iterator[Figure]:
    """Those that need `wrk`; the server of all rules is there already."""
    with ExitStack() as stack:
        facts = (server.folder / "facts.yaml").read_text()
        command = ("--profile", "parity")
        parity = stack.enter_context(program(folder / "parity", *command, before=on_core(0), facts=facts))
        targets = {
            _ECHO: stack.enter_context(echo(server)),
            _WEBHOOK: (server.reviews, server.process.pid),
            _PARITY: (parity.reviews, parity.process.pid),
        }
        kmm = stack.enter_context(kmm_server.started(server.certificate.files))
        if isinstance(kmm, str):
            print(f"KMM's own server is left out: {kmm}", file=sys.stderr)
            yield Figure(_KMM, f"left out: {kmm}")
        else:
            targets[_KMM] = kmm
        for row in ROWS:
            yield from _row(row, targets, folder / "throughput")
        yield from _handshakes(server, targets[_ECHO], folder / "throughput")


@contextmanager
def echo(server: Program, *loop: str) -> Iterator[tuple[int, int]]:
    """Port and process of a bare server that sends back what it gets."""
    files = server.certificate.files
    command = [
        *on_core(0),
        sys.executable,
        "-m",
        "tests.bench.load.echo",
        str(files.certificate),
        str(files.key),
        *loop,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _row(row: Row, targets: Mapping[str, tuple[int, int]], file: Path) -> Iterator[Figure]:
    items = row.of()
    file.write_bytes(b"\n".join(row.bodies(items)))
    if any(item["kind"] == "Pod" for item in items):
        targets = {name: target for name, target in targets.items() if name != _KMM}
    found = _best(targets, file)
    for name, run in found.items():
        yield Figure(f"{row.what}: {name}", told(run))
    for other, words in _OTHERS.items():
        share = row.echo if other == _ECHO else row.kmm
        if other in found:
            ratio = found[_WEBHOOK].rate / found[other].rate
            budget, used = ("", None) if share is None else (f"≥ {share:g}", share / ratio)
            yield Figure(f"… webhook of {words}", f"{ratio:.2f}", budget, used)
            yield Figure(f"… by what the processor takes for one answer, of {words}", _by_processor(found, other))


def _by_processor(found: Mapping[str, Throughput], other: str) -> str:
    own = found[_WEBHOOK].processor
    return f"{found[other].processor / own:.2f}" if own else "not known"


def _handshakes(server: Program, bare: tuple[int, int], file: Path) -> Iterator[Figure]:
    file.write_bytes(b"\n".join(samples.seen_first(samples.modules())))
    own = (server.reviews, server.process.pid)
    found = _best({_ECHO: bare, _WEBHOOK: own}, file, header="close")
    yield Figure("bare echo, a handshake for each", told(found[_ECHO]))
    rate = found[_WEBHOOK].rate
    yield Figure("webhook, a handshake for each", told(found[_WEBHOOK]), "≥ 800/s", 800 / rate)
    crowd = wrk.run(*own, file, connections=160, count=True)
    yield Figure("webhook, ten times the connections", told(crowd), "p99 ≤ 50 ms", crowd.p99 / 50)


def _best(targets: Mapping[str, tuple[int, int]], bodies: Path, header: str = "") -> dict[str, Throughput]:
    """The best of the runs of each, which are taken in turn: what others do on the machine only ever slows one down."""
    found: dict[str, Throughput] = {}
    for _ in range(ROUNDS):
        for name, (port, pid) in targets.items():
            path = kmm_server.PATH if name == _KMM else "/validate"
            run = wrk.run(port, pid, bodies, header=header, path=path)
            if name not in found or run.rate > found[name].rate:
                found[name] = run
    return found


def told(run: Throughput) -> str:
    """A run in words."""
    away = f", {run.turned_away:,} told to come again (429)" if run.turned_away else ""
    failed = f", **{run.failed} failed**" if run.failed else ""
    times = f"p50 {run.p50:.1f} ms, p99 {run.p99:.1f} ms, {run.processor * 1e6:.0f} µs each"
    return f"{run.rate:,.0f}/s, {times}{away}{failed}"
