"""`python -m tests.bench [command|webhook]`: the tables of docs/performance.md. Reports, and never fails for being slow.

With a name only the tables of that part are measured again, and the other part of the page stays. With BENCH=quick in
the environment everything runs once, to see that it works, and the page stays as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from kmodgate.policy.config import Policy
from tests.bench import samples
from tests.bench.evaluate import evaluate
from tests.bench.generate import chart, fleet, overlays
from tests.bench.load import webhook
from tests.bench.measure import KMODGATE, QUICK, REPOSITORY, Failed, Result, Task, measure
from tests.bench.mixed import mixed_fleet
from tests.bench.page import Row, page
from tests.bench.programs import GATOR, HELM, NotBuilt, built

PAGE = REPOSITORY / "docs" / "performance.md"
EXAMPLE = REPOSITORY / "examples" / "edge-fleet"
ROUNDS = 1 if QUICK else 5
MEMORY = 150.0
"""The budget of a render, in MiB."""

_HELM = "`helm template`, one run"
_NOBODY = ("-c", "user.name=bench", "-c", "user.email=bench@example.com")
_NEEDED = 1 << 30  # bytes: all fleets and their trees; a container often has only 64 MiB of memory file system


_SECOND = "\n## The webhook\n"


def main() -> int:
    parts = sys.argv[1:] or ["command", "webhook"]
    first, _, second = PAGE.read_text(encoding="utf-8").partition(_SECOND)
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        if "command" in parts:
            first = page(_rows(Path(folder)), in_memory=_memory() is not None)
        if "webhook" in parts:
            print("webhook ...", file=sys.stderr)
            second = webhook.page(Path(folder)).removeprefix(_SECOND.lstrip())
    text = first + (_SECOND + second if second else "")
    if not QUICK:
        PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0


def _memory() -> Path | None:
    """A file system in memory, if there is room: what is measured is kmodgate, not how a shared disk feels."""
    path = Path("/dev/shm")
    return path if os.access(path, os.W_OK) and shutil.disk_usage(path).free > _NEEDED else None


def _rows(folder: Path) -> Iterator[Row]:
    for part in (_starts, _small, _large, _mixed, _foreseen, _growth):
        print(f"{part.__name__.strip('_')} ...", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=folder) as own:
            yield from part(Path(own))


def _starts(folder: Path) -> Iterator[Row]:
    """What a process costs before it does anything."""
    imports = ("yaml", "jsonschema_rs", "jsonschema")
    tasks = [
        Task("bare Python", [sys.executable, "-c", "pass"]),
        *(Task(f"`import {name}`", [sys.executable, "-c", f"import {name}"]) for name in imports),
        Task("`kmodgate --help`", [*KMODGATE, "--help"]),
    ]
    for name, result in measure(tasks, ROUNDS * 2).items():
        yield Row(name, result, budget=0.1 if "kmodgate" in name else None)


def _small(folder: Path) -> Iterator[Row]:
    """What pre-commit runs on every commit."""
    if not EXAMPLE.is_dir():
        yield Row("examples/edge-fleet", note="not there")
        return
    cold, check = _cold(EXAMPLE, folder / "cold"), _render(EXAMPLE, folder / "check")
    measure([cold, check], 1)
    found = measure([cold, _check(check)], ROUNDS * 2)
    objects = sum(1 for _ in (folder / "check").rglob("*.yaml"))
    yield Row(f"render examples/edge-fleet, {objects} objects", found[cold.name])
    yield Row("`--check` of it, nothing changed", found[_check(check).name], budget=0.15)


def _large(folder: Path) -> Iterator[Row]:
    """3,000 objects in three shapes, beside what else renders them."""
    roots = {
        "fleet": fleet(folder / "fleet", 50, 20),
        "varied": fleet(folder / "varied", 50, 20, varied=True),
        "flat": fleet(folder / "flat", 1000, 20, spread=True),
    }
    cold = {shape: _cold(root, folder / f"cold-{shape}") for shape, root in roots.items()}
    again = {shape: _render(root, folder / f"again-{shape}") for shape, root in roots.items()}
    measure([*cold.values(), *again.values()], 1)
    others = list(_others(folder, folder / "again-fleet"))
    found = measure([*cold.values(), *others], ROUNDS)
    base = found[cold["fleet"].name]
    words = {
        "fleet": "render `fleet`: 50 drivers on 20 clusters, 70 spec files",
        "varied": "render `varied`: the same, each driver overridden for each cluster",
        "flat": "render `flat`: 1,000 drivers on one cluster each, 1,020 spec files",
    }
    for shape, task in cold.items():
        budget = 1.2 if shape == "flat" else 0.6
        yield Row(words[shape], found[task.name], budget=budget, memory=MEMORY, of=base)
    for task in others:
        yield Row(task.name, found[task.name], of=base)
    if shutil.which("kubectl") is None:
        yield Row("kubectl", note="not on PATH")
    helm, why = _program(HELM)
    if helm:
        yield Row("render `fleet`, of `helm template`", base, of=found[_HELM], times=0.9, than="helm's")
    else:
        yield Row("helm", note=why)
    yield from _judged(folder, base)
    yield from _unchanged(again, base)
    yield from _on_disk(roots["fleet"], folder / "again-fleet", base)


def _judged(folder: Path, base: Result | Failed) -> Iterator[Row]:
    """What the rules cost: trees as objects, beside gator and kubeconform, and one Module in a process at work.

    Outside of their fleet the clusters of `fleet` have equal files, which are judged once; in `varied` all Modules differ.
    """
    trees = {shape: str(folder / f"again-{shape}") for shape in ("fleet", "varied")}
    checks = {
        shape: Task(f"`kmodgate check` of the tree of `{shape}`", [*KMODGATE, "check", tree])
        for shape, tree in trees.items()
    }
    tasks = [
        *checks.values(),
        Task("`kmodgate check` of the specs of `fleet`", [*KMODGATE, "check", str(folder / "fleet")]),
    ]
    if program := os.environ.get("KUBECONFORM"):
        modules = [str(path) for path in (folder / "again-fleet").rglob("module-*.yaml")]
        location = f"{REPOSITORY}/schemas/{{{{.Group}}}}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json"
        command = [program, "-strict", "-schema-location", location, *modules]
        tasks.append(Task("kubeconform, the 1,000 Modules of `fleet`, their schema only", command))
    gator, why = _program(GATOR)
    rules = [str(Path(__file__).parent / "gator" / name) for name in ("templates.yaml", "constraints.yaml")]
    others = {
        shape: Task(
            f"`gator test` of `{shape}`, three small templates",
            [gator, "test", *(f"--filename={name}" for name in (*rules, tree))],
        )
        for shape, tree in (trees.items() if gator else ())
    }
    tasks += others.values()
    found = measure(tasks, ROUNDS)
    for task in tasks:
        yield Row(task.name, found[task.name], of=base)
    for shape, other in others.items():
        check = checks[shape].name
        yield Row(f"{check}, of gator", found[check], of=found[other.name], times=1, than="gator's")
    if not gator:
        yield Row("gator", note=why)
    corpus, pods = samples.modules(), samples.pods()
    yield Row("`evaluate()` of a Module of the corpus, all rules, 1,000 times", evaluate(corpus, Policy()))
    parity = evaluate(corpus, Policy("parity"))
    yield Row("`evaluate()` of a Module of the corpus, profile `parity`, 1,000 times", parity)
    yield Row("`evaluate()` of a Pod of the corpus, all rules, 1,000 times", evaluate(pods, Policy()))


def _mixed(folder: Path) -> Iterator[Row]:
    """All deliveries in one fleet, and what changes where every driver gets another image."""
    root = mixed_fleet(folder / "mixed", 40, 20)
    cold = _cold(root, folder / "cold-mixed")
    measure([cold], 1)
    objects = sum(1 for _ in (folder / "cold-mixed").rglob("*.yaml"))
    _changed(root)
    report = ["--output", str(folder / "report")]
    plan = Task("plan", [*KMODGATE, "plan", str(root), *report])
    diff = Task("diff", [*KMODGATE, "diff", str(root), *report])
    found = measure([cold, plan, diff], ROUNDS)
    size = (
        f"40 drivers on a hub and 20 spokes, a quarter each by KMM, DaemonSets, the hub and at boot, {objects} objects"
    )
    yield Row(f"render `mixed`: {size}", found[cold.name], budget=0.6, memory=MEMORY)
    yield Row("`kmodgate plan` of `mixed`", found["plan"], budget=3.0, memory=300.0)
    yield Row("`kmodgate diff` of `mixed`, every driver changed", found["diff"], budget=3.0, memory=300.0)


def _changed(root: Path) -> None:
    """Commit a fleet to a repository of its own, and change every driver afterwards."""
    for command in (["init", "-q"], ["add", "-A"], [*_NOBODY, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    for path in (root / "drivers").glob("*.yaml"):
        path.write_text(path.read_text(encoding="utf-8").replace(":1.2.0-", ":1.2.1-"), encoding="utf-8")


def _foreseen(folder: Path) -> Iterator[Row]:
    """What will happen to 60,000 cells: 50 drivers on 200 clusters with 6 kernels each, and to a change of them all."""
    report = ["--output", str(folder / "report")]
    for varied, words in ((False, ""), (True, ", each driver overridden for each cluster")):
        root = fleet(folder / f"upgraded-{varied}", 50, 200, varied=varied, upgraded=True)
        _changed(root)
        size = f"200 clusters, 50 drivers, 6 kernels{words}"
        tasks = [
            Task(f"`kmodgate plan` of {size}", [*KMODGATE, "plan", str(root), *report], code=1),
            Task(
                f"`plan --format html` of {size}", [*KMODGATE, "plan", str(root), "--format", "html", *report], code=1
            ),
            Task(f"`kmodgate diff` of {size}, every driver changed", [*KMODGATE, "diff", str(root), *report]),
        ]
        found = measure(tasks, ROUNDS)
        for task in tasks:
            yield Row(task.name, found[task.name], budget=3.0, memory=300.0)


def _unchanged(again: dict[str, Task], base: Result | Failed) -> Iterator[Row]:
    found = measure([task for render in again.values() for task in (render, _check(render))], ROUNDS)
    for shape, task in again.items():
        yield Row(f"render `{shape}` again, nothing changed", found[task.name], of=base)
        yield Row(f"`--check` of `{shape}`, nothing changed", found[_check(task).name], of=base)


def _on_disk(root: Path, rendered: Path, base: Result | Failed) -> Iterator[Row]:
    """Beside it a plain copy of the same files: what a disk takes to create them differs tenfold within minutes."""
    with tempfile.TemporaryDirectory() as folder:
        output, copy = Path(folder) / "tree", Path(folder) / "copy"
        render = replace(_render(root, output), prepare=_moved_away(output))
        plain = Task("copy", ["cp", "-r", str(rendered), str(copy)], _moved_away(copy))
        found = measure([render, plain], ROUNDS)
    yield Row("render `fleet` into the system's temporary folder", found[render.name], of=base)
    yield Row("`cp -r` of what it writes, into the same folder", found[plain.name], of=base)


def _moved_away(path: Path) -> Callable[[], None]:
    """A new folder for each run, with nothing deleted in between."""
    numbers = count()

    def move() -> None:
        if path.exists():
            path.rename(f"{path}-{next(numbers)}")

    return move


def _growth(folder: Path) -> Iterator[Row]:
    """Ten times the objects, in both shapes."""
    sizes = {
        "fleet": (fleet(folder / "fleet", 50, 20), fleet(folder / "fleet-10", 50, 200)),
        "flat": (fleet(folder / "flat", 1000, 20, spread=True), fleet(folder / "flat-10", 10_000, 200, spread=True)),
    }
    for shape, (one, ten) in sizes.items():
        small, large = _cold(one, folder / "small"), _cold(ten, folder / "large")
        found = measure([small, large], 3)
        yield Row(
            f"render 30,000 objects, shape `{shape}`",
            found[large.name],
            of=found[small.name],
            times=11,
            than="3,000 objects'",
            memory=200.0,
        )


def _render(root: Path, output: Path) -> Task:
    return Task(f"render {output.name}", [*KMODGATE, "render", str(root), "--output", str(output)])


def _cold(root: Path, output: Path) -> Task:
    return replace(_render(root, output), prepare=lambda: shutil.rmtree(output, ignore_errors=True))


def _check(render: Task) -> Task:
    return Task(f"check after {render.name}", [*render.command, "--check"])


def _others(folder: Path, rendered: Path) -> Iterator[Task]:
    if shutil.which("kubectl"):
        folders = overlays(rendered, folder / "overlays")
        yield Task("`kubectl kustomize`, 20 overlays", _each("kubectl kustomize {}", [str(path) for path in folders]))
    if helm := _program(HELM)[0]:
        path = chart(rendered, folder / "chart")
        yield Task(_HELM, [helm, "template", str(path)])
        clusters = sorted(item.name for item in rendered.iterdir() if item.is_dir())
        each = _each(f"{helm} template {path} --set 'clusters={{{{{{}}}}}}'", clusters)
        yield Task("`helm template`, once a cluster", each)


def _program(package: str) -> tuple[str, str]:
    """The path of a program, or why there is none, which is said aloud, too."""
    try:
        return built(package), ""
    except NotBuilt as error:
        print(f"left out: {error}", file=sys.stderr)
        return "", f"left out: {error}"


def _each(command: str, values: list[str]) -> list[str]:
    return ["sh", "-c", " && ".join(command.format(value) for value in values)]


if __name__ == "__main__":
    sys.exit(main())
