"""`python -m tests.bench`: the table of docs/performance.md. It reports and never fails for being slow."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.generate import chart, fleet, overlays
from tests.bench.measure import KMODGATE, REPOSITORY, Result, Task, measure

PAGE = REPOSITORY / "docs" / "performance.md"
ROUNDS = 5

Row = tuple[str, str, str, str]


def main() -> int:
    # Files in memory: what is measured is kmodgate, not how a shared disk feels at the moment.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        rows = list(_rows(Path(folder)))
    page = _page(rows)
    PAGE.write_text(page, encoding="utf-8")
    print(page)
    return 0


def _rows(folder: Path) -> Iterator[Row]:
    yield from _starts()
    yield from _small(folder)
    yield from _large(folder)
    yield from _growth(folder)


def _starts() -> Iterator[Row]:
    """What a process costs before it does anything."""
    python = sys.executable
    tasks = [
        Task("bare Python", [python, "-c", "pass"]),
        Task("import yaml", [python, "-c", "import yaml"]),
        Task("import jsonschema_rs", [python, "-c", "import jsonschema_rs"]),
        Task("import jsonschema", [python, "-c", "import jsonschema"]),
        Task("kmodgate --help", [*KMODGATE, "--help"]),
    ]
    found = measure(tasks, ROUNDS * 2)
    for name, result in found.items():
        yield name, _ms(result), "100 ms" if name == "kmodgate --help" else "", ""


def _small(folder: Path) -> Iterator[Row]:
    """What pre-commit runs on every commit."""
    root, tree = REPOSITORY / "examples" / "edge-fleet", folder / "edge"
    render = [*KMODGATE, "render", str(root), "--output", str(tree)]
    found = measure([Task("cold", render, lambda: shutil.rmtree(tree, ignore_errors=True))], ROUNDS)
    yield "render examples/edge-fleet, 303 objects", _ms(found["cold"]), "", ""
    found = measure([Task("check", [*render, "--check"])], ROUNDS)
    yield "`--check` of examples/edge-fleet, nothing changed", _ms(found["check"]), "150 ms", ""


def _large(folder: Path) -> Iterator[Row]:
    """3,000 objects in two shapes, beside what else renders them."""
    shapes = {
        "fleet": fleet(folder / "fleet", 50, 20, spread=False),
        "flat": fleet(folder / "flat", 1000, 20, spread=True),
    }
    tasks = [_cold(name, root) for name, root in shapes.items()]
    measure(tasks, 1)
    others = list(_others(folder, shapes["fleet"] / "rendered"))
    found = measure([*tasks, *others], ROUNDS)
    base = found["fleet"]
    yield _cold_row("render `fleet`: 50 drivers on 20 clusters, 70 spec files", base, base, "600 ms")
    yield _cold_row("render `flat`: 1,000 drivers, 1,020 spec files", found["flat"], base, "1200 ms")
    for task in others:
        yield (
            f"{task.name} of the same 3,000 objects, no validation",
            _ms(found[task.name]),
            "",
            _ratio(found[task.name], base),
        )
    for tool in ("kubectl", "helm"):
        if shutil.which(tool) is None:
            yield f"{tool}: not on PATH", "", "", ""
    checks = [Task(name, [*KMODGATE, "render", str(root), "--check"]) for name, root in shapes.items()]
    found = measure([*tasks, *checks], 1)
    found = measure(checks, ROUNDS)
    for name in shapes:
        yield f"`--check` of `{name}`, nothing changed", _ms(found[name]), "", _ratio(found[name], base)


def _cold(name: str, root: Path) -> Task:
    return Task(name, [*KMODGATE, "render", str(root)], lambda: shutil.rmtree(root / "rendered", ignore_errors=True))


def _cold_row(name: str, result: Result, base: Result, budget: str) -> Row:
    return name, f"{_ms(result)}, {result.memory:.0f} MiB", f"{budget}, 150 MiB", _ratio(result, base)


def _others(folder: Path, rendered: Path) -> Iterator[Task]:
    if shutil.which("kubectl"):
        folders = overlays(rendered, folder / "overlays")
        yield Task("kubectl kustomize, 20 overlays", _each("kubectl kustomize {}", [str(path) for path in folders]))
    if shutil.which("helm"):
        path = chart(rendered, folder / "chart")
        yield Task("helm template, one run", ["helm", "template", str(path)])
        clusters = sorted(item.name for item in rendered.iterdir() if item.is_dir())
        each = _each(f"helm template {path} --set 'clusters={{{{{{}}}}}}'", clusters)
        yield Task("helm template, once a cluster", each)


def _each(command: str, values: list[str]) -> list[str]:
    return ["sh", "-c", " && ".join(command.format(value) for value in values)]


def _growth(folder: Path) -> Iterator[Row]:
    """Ten times the objects, in both shapes."""
    for name, drivers, clusters, spread in (("fleet", 50, 20, False), ("flat", 1000, 20, True)):
        small = fleet(folder / f"{name}-1", drivers, clusters, spread=spread)
        large = fleet(folder / f"{name}-10", drivers * (10 if spread else 1), clusters * 10, spread=spread)
        found = measure([_cold("small", small), _cold("large", large)], 3)
        text = f"{_ms(found['large'])}, {found['large'].memory:.0f} MiB"
        ratio = found["large"].best / found["small"].best
        yield f"render 30,000 objects, shape `{name}`", text, "11 times 3,000", f"{ratio:.1f} times 3,000"


def _ms(result: Result) -> str:
    return f"{result.median * 1000:.0f} ms (best {result.best * 1000:.0f})"


def _ratio(result: Result, base: Result) -> str:
    return f"{result.best / base.best:.2f}"


def _page(rows: list[Row]) -> str:
    head = f"""\
# Performance

Written by `make bench` on {os.cpu_count()} cores with Python {platform.python_version()}.

Whole processes, cold, from start to end: reading, schema checks, compiling and writing, into a file system in memory
where there is one. Median and best of the runs, taken in turn; the ratio is of the best times, to the render of `fleet`
unless it says otherwise. An object is a Module, a ServiceAccount or a Dockerfile ConfigMap. Times differ from machine to
machine: read the ratios.

| what | measured | budget | ratio |
| --- | --- | --- | --- |
"""
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
