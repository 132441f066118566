"""The roads of docs/change.md: their commands, with a real git, a real pre-commit and the pipeline of docs/ci.md."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.command import forked_program
from tests.conftest import ROOT
from tests.fleets import DRIVER, FleetFolder, git

PRE_COMMIT = ROOT / ".venv/bin/pre-commit"
HOOKS = ("kmodgate-check", "kmodgate-render-check")
PAGE = (ROOT / "docs/change.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
ROADS = {title: re.findall(r"```sh\n(.*?)```", part, re.DOTALL) for title, part in SECTIONS.items()}
PIPELINE = [
    command
    for command in re.findall(r"- run: (kmodgate .*)", (ROOT / "docs/ci.md").read_text(encoding="utf-8"))
    if command.startswith(("kmodgate check --against", "kmodgate render --check"))
]
CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata:
  name: {name}
  labels: {{tier: edge}}
spec:
  platform: kubernetes
  kmm: {{version: "2.6", flavour: upstream}}
  nodeGroups:
  - {{name: workers, count: 4, kernels: [5.14.0-1.el9.x86_64], labels: {{node-role.kubernetes.io/worker: ""}}}}
"""


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of the page, `origin`, and `clone`, with the hooks installed where pre-commit is."""
    parent = tmp_path_factory.mktemp("cloned")
    fleet = FleetFolder(parent / "origin")
    for name in ("paris-1", "lyon-1"):
        fleet.write(f"clusters/{name}.yaml", CLUSTER.format(name=name))
    for name in ("nic", "gpu", "hba", "raid"):
        fleet.write(f"drivers/{name}.yaml", driver(name))
    fleet.write("drivers/nic.yaml", driver("nic") + "  build: {dockerfile: ./nic.Dockerfile}\n")
    fleet.write("drivers/nic.Dockerfile", "FROM quay.io/acme/base:1\n")
    parts = [(fleet.root / f"drivers/{name}.yaml").read_text() for name in ("hba", "raid")]
    fleet.write("drivers/storage.yaml", "---\n".join(parts))
    for name in ("hba", "raid"):
        (fleet.root / f"drivers/{name}.yaml").unlink()
    fleet.write(".pre-commit-config.yaml", yaml.safe_dump({"repos": [{"repo": "local", "hooks": hooks()}]}))
    fleet.render()
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    git(fleet.root, "checkout", "-q", "--detach")
    git(parent, "clone", "-q", str(fleet.root), "clone", "-b", "main")
    git(parent / "clone", "remote", "set-url", "origin", "../origin")
    if PRE_COMMIT.exists():
        subprocess.run([PRE_COMMIT, "install"], cwd=parent / "clone", check=True, capture_output=True)
    return parent


@pytest.fixture
def clone(cloned: Path, tmp_path: Path) -> FleetFolder:
    """A clone of the repository of the page that a test may change, and its origin."""
    return FleetFolder(shutil.copytree(cloned, tmp_path / "copy") / "clone")


def driver(name: str) -> str:
    text = DRIVER.format(name=name, clusters="{matchLabels: {tier: edge}}").replace("kmm-tests", "drivers")
    return text.replace(f"metadata: {{name: {name}}}", f"metadata:\n  name: {name}").replace(
        "acme_dummy", f"acme_{name}"
    )


def hooks() -> list[dict[str, object]]:
    """The hooks as their users get them, run with this checkout instead of an environment of their own."""
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    return [{**hook, "language": "system"} for hook in yaml.safe_load(text) if hook["id"] in HOOKS]


def bash(fleet: FleetFolder, command: str) -> subprocess.CompletedProcess[str]:
    """A command of the page or of the pipeline, with `kmodgate` in the path."""
    tools = fleet.root.parent / "bin"
    tools.mkdir(exist_ok=True)
    forked_program(tools)
    identity = {f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment = {
        **clean,
        **identity,
        "PATH": f"{tools}:{clean['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "BASE": "main",
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=fleet.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def merge(fleet: FleetFolder, commands: str) -> None:
    """The commands of one merge on a branch, through the hooks and the pipeline, into main."""
    git(fleet.root, "checkout", "-qB", "change", "origin/main")
    for command in (commands, *PIPELINE):
        result = bash(fleet, command)
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    assert bash(fleet, "git status --porcelain").stdout == ""
    git(fleet.root, "push", "-q", "origin", "change:main")


def modules(fleet: FleetFolder) -> set[str]:
    """The Modules in the tree, as CLUSTER/NAMESPACE/NAME."""
    found = set()
    for index in (fleet.root / "rendered").glob("*/.index"):
        rows = [line.split() for line in index.read_text().splitlines() if not line.startswith("#")]
        found |= {f"{index.parent.name}/{row[3]}/{row[4]}" for row in rows if row[2].endswith("/Module")}
    return found


START = {f"{cluster}/drivers/{name}" for cluster in ("paris-1", "lyon-1") for name in ("nic", "gpu", "hba", "raid")}
PARIS = {name for name in START if name.startswith("paris-1/")}
END = {
    "Retire a driver": {name for name in START if not name.endswith("/gpu")},
    "Retire a driver on one cluster": START - {"lyon-1/drivers/gpu"},
    "Bring a driver back": START,
    "Retire a cluster that is switched off": PARIS,
    "Retire a cluster that lives on": PARIS,
    "Rename a driver": {name.replace("/nic", "/ethernet") for name in START},
    "Move a driver to another namespace": {name.replace("/drivers/nic", "/network/nic") for name in START},
    "Rename a cluster": {name.replace("lyon-1", "lyon-2") for name in START},
    "Move a spec file": START,
    "Split a spec file": START,
}


def test_the_page_and_the_test_have_the_same_roads() -> None:
    assert END.keys() == ROADS.keys()
    assert all(ROADS.values())
    assert len(PIPELINE) == 2
    for title in ROADS:
        anchor = re.sub(r"[^a-z-]", "", title.lower().replace(" ", "-"))
        assert f"(#{anchor}) | {len(ROADS[title]) if 'back' not in title else 1} |" in PAGE


@pytest.mark.parametrize("title", END)
def test_a_road_passes_hooks_and_pipeline(clone: FleetFolder, title: str) -> None:
    assert modules(clone) == START
    for commands in ROADS[title]:
        merge(clone, commands)
    assert modules(clone) == END[title]
    assert clone.run("render", "--check").returncode == 0


@pytest.mark.parametrize("title", [title for title in END if any("--allow-removal" in part for part in ROADS[title])])
def test_a_road_without_its_permission_is_refused(clone: FleetFolder, title: str) -> None:
    git(clone.root, "checkout", "-qB", "change", "origin/main")
    commands = re.sub(r"--allow-removal \S+( --reason \".*\")?", "", ROADS[title][0])
    result = bash(clone, commands)
    assert result.returncode == 1
    assert "error[GIT001]" in result.stderr


@pytest.mark.parametrize("title", ["Rename a driver", "Move a driver to another namespace"])
def test_two_merges_unload_and_load_where_one_would_leave_no_driver(clone: FleetFolder, title: str) -> None:
    first, second = ROADS[title]
    merge(clone, first)
    assert "unloads nic from 8 nodes" in clone.run("diff", "--against", "HEAD~1").stdout
    merge(clone, second)
    both = clone.run("diff", "--against", "HEAD~2").stdout
    assert "after this the nodes have no nic; do it in two merges" in both
    name = "ethernet" if "Rename" in title else "nic"
    assert f"loads {name} on 8 nodes" in clone.run("diff", "--against", "HEAD~1").stdout


@pytest.mark.parametrize("title", ["Move a spec file", "Split a spec file"])
def test_moving_specs_does_nothing_to_nodes(clone: FleetFolder, title: str) -> None:
    merge(clone, ROADS[title][0])
    report = clone.run("diff", "--against", "HEAD~1").stdout
    assert "loads " not in report
    assert "nothing happens to" in report


@pytest.mark.skipif(not PRE_COMMIT.exists(), reason="pre-commit is not in .venv: `make test` installs it")
@pytest.mark.parametrize("change", ["git rm -q drivers/gpu.yaml", "sed -i 's/tier: edge/tier: egde/' drivers/gpu.yaml"])
def test_the_hooks_refuse_a_removal_that_nobody_allows(clone: FleetFolder, change: str) -> None:
    result = bash(clone, f"{change}\ngit commit -qam 'Tidy up'")
    assert result.returncode == 1
    assert "kmodgate render --check" in result.stderr + result.stdout
    assert bash(clone, "git log --format=%s").stdout == "first\n"
