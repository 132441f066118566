"""`kmodgate plan`: three sites, a kernel upgrade that breaks two drivers, and numbers worked out by hand.

oslo has 4 workers on 9.4; lima is a single node on 9.4 with Secure Boot; both get 9.6 next. rome has 3 workers, some on
9.4 and some on 9.6, and 2 GPU nodes on 9.6, and gets el10. nic has no mapping for el10 and one that another shadows;
probe is signed for 9.4 and not for 9.6; gpu has a mapping for el10 that is to be built.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodgate.policy.kmm.resolution.resolution_json import as_json
from kmodgate.renderer.plan.resolutions import answer
from tests.command import run
from tests.fleets import REPOSITORY, FleetFolder
from tests.oracle import lines

SCENARIO = REPOSITORY / "tests/scenarios/three-sites"
EL9_4, EL9_6, EL10 = (
    "5.14.0-427.13.1.el9_4.x86_64",
    "5.14.0-570.12.1.el9_6.x86_64",
    "6.12.0-55.9.1.el10_0.x86_64",
)
SUFFIXES = {"text": "txt", "markdown": "md", "json": "json", "html": "html"}


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    """A copy of the scenario, to be changed."""
    shutil.copytree(SCENARIO, tmp_path / "sites", ignore=shutil.ignore_patterns("golden"))
    return tmp_path / "sites"


def without_style(page: str) -> str:
    """A page of HTML without what all pages share: its style, its script, and the policy that names both."""
    return re.sub(r"<style>.*?</style>|<script>.*?</script>|<meta http-equiv=[^>]*>\n", "", page, flags=re.DOTALL)


def plan(fleet: Path, *arguments: str, code: int = 1) -> Any:
    result = run("plan", "--format", "json", *arguments, cwd=fleet)
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


def losses(found: Any) -> set[tuple[str, str, str, int]]:
    """Module, cluster, kernel and number of nodes."""
    cells = [item["next"] for item in found["lost"]]
    return {(cell["module"], cell["cluster"], cell["kernel"], cell["count"]) for cell in cells}


def test_nodes_that_would_lose_a_driver_are_named_with_the_reason(sites: Path) -> None:
    found = plan(sites)
    assert losses(found) == {
        ("drivers/nic", "rome", EL10, 3),
        ("drivers/nic", "rome", EL10, 2),
        ("drivers/probe", "lima", EL9_6, 1),
    }
    reasons = {item["next"]["module"]: item["next"]["reason"] for item in found["lost"]}
    assert reasons["drivers/nic"] == f"failed to find mapping for kernel {EL10}: kernel mapping not found"
    assert reasons["drivers/probe"] == "not signed, and Secure Boot refuses unsigned modules"


def test_every_module_on_every_kernel_of_every_group_is_a_cell(sites: Path) -> None:
    cells = plan(sites)["cells"]
    count = {name: sum(cell["driver"] == name for cell in cells) for name in ("nic", "gpu", "probe")}
    assert count == {"nic": 2 + 3 + 2 + 2, "gpu": 2, "probe": 2 + 2}
    assert {cell["work"] for cell in cells if cell["driver"] == "gpu"} == {"build"}
    assert {
        cell["image"].partition("/")[0] for cell in cells if (cell["driver"], cell["cluster"]) == ("nic", "rome")
    } == {
        "mirror.rome.example.com",
        "",
    }


def test_images_to_make_beforehand_are_those_that_no_node_runs_today(sites: Path) -> None:
    assert [(item["image"], item["work"]) for item in plan(sites)["images"]] == [
        (f"registry.example.com/gpu:3.0-{EL10}", "build"),
        (f"registry.example.com/nic:1.0-{EL9_6}", "sign"),
    ]


def test_a_mapping_that_another_shadows_is_unused(sites: Path) -> None:
    (unused,) = plan(sites)["unusedMappings"]
    assert (unused["module"], unused["mapping"]) == ("drivers/nic", "el9_6")
    assert unused["why"] == f"el9 comes first for {EL9_6}"
    assert (unused["file"], unused["line"]) == ("drivers/nic.yaml", 17)


def test_a_mapping_that_one_variant_of_a_driver_uses_is_used(sites: Path) -> None:
    path = sites / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("'^5\\.14\\..+$'", "'^5\\.14\\.0-427\\..+$'"))
    assert plan(sites)["unusedMappings"] == []


def test_kernels_that_are_asked_for_take_the_place_of_the_next_ones(sites: Path) -> None:
    found = plan(sites, "--kernel", EL9_6, "--cluster", "oslo", "--cluster", "rome", code=0)
    assert found["lost"] == []
    assert {cell["kernel"] for cell in found["cells"] if cell["cluster"] == "oslo"} == {EL9_4, EL9_6}
    assert found["clusters"] == ["oslo", "rome"]


def test_a_kernel_of_another_architecture_is_not_the_nodes(sites: Path) -> None:
    arm = EL9_6.replace("x86_64", "aarch64")
    path = sites / "clusters/oslo.yaml"
    group = "  - {name: arm, labels: {node-role.kubernetes.io/worker: ''}, architecture: arm64}\n"
    path.write_text(path.read_text().replace("  nextKernels: [", f"{group}  nextKernels: [{arm}, "))
    cells = [cell for cell in plan(sites)["cells"] if cell["cluster"] == "oslo" and cell["phase"] == "next"]
    assert {(*cell["nodes"], cell["kernel"]) for cell in cells} == {("arm", arm), ("workers", EL9_6)}


def test_a_group_that_is_upgraded_by_half_may_lose_the_driver_on_its_other_nodes(sites: Path) -> None:
    path = sites / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("'^5\\.14\\..+$'", "'^5\\.14\\.0-427\\..+$'").replace("570", "571"))
    found = plan(sites, "--kernel", EL9_6, "--cluster", "rome")
    assert losses(found) == {("drivers/nic", "rome", EL9_6, 3)}


def test_a_kernel_of_another_flavour_is_not_the_nodes_where_there_is_one_of_theirs(sites: Path) -> None:
    path = sites / "clusters/oslo.yaml"
    path.write_text(path.read_text().replace("nextKernels: [", "nextKernels: [5.14.0-570.12.1.el9_6.x86_64+rt, "))
    assert {cell["kernel"] for cell in plan(sites)["cells"] if cell["cluster"] == "oslo"} == {EL9_4, EL9_6}


def test_an_exception_for_images_that_are_signed_already_is_heeded(sites: Path) -> None:
    (sites / "policy.yaml").write_text(
        "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: all}\nspec:\n  clusters: {matchLabels: {}}\n"
        "  exceptions:\n"
        "  - {rule: SGN202, object: {kind: Module, name: probe}, owner: a, ticket: b, expires: '2999-01-01'}\n"
    )
    assert {module for module, *_ in losses(plan(sites))} == {"drivers/nic"}


# -- nodes ----------------------------------------------------------------------------------------


def node(name: str, kernel: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"node-role.kubernetes.io/worker": "", **labels}},
        "spec": {},
        "status": {"nodeInfo": {"kernelVersion": kernel, "architecture": "amd64"}},
    }


def test_nodes_of_a_file_take_the_place_of_the_described_ones_and_alike_ones_are_one_cell(sites: Path) -> None:
    nodes = [node(f"n{number}", EL9_4, other=str(number)) for number in range(7)]
    (sites / "nodes.json").write_text(json.dumps({"kind": "NodeList", "apiVersion": "v1", "items": nodes}))
    found = plan(sites, "--cluster", "oslo", "--nodes", "nodes.json", "--kernel", EL10)
    assert losses(found) == {("drivers/nic", "oslo", EL10, 7), ("drivers/probe", "oslo", EL10, 7)}
    assert found["lost"][0]["next"]["nodes"] == [f"n{number}" for number in range(7)]
    several = run("plan", "--nodes", "nodes.json", cwd=sites)
    assert (several.returncode, "say which: --cluster NAME" in several.stderr) == (2, True)


def test_a_cordoned_node_loses_the_driver_that_it_would_carry_afterwards(sites: Path) -> None:
    item = node("n", EL9_4)
    item["spec"] = {"taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}
    (sites / "nodes.json").write_text(json.dumps(item))
    found = plan(sites, "--cluster", "oslo", "--nodes", "nodes.json", "--kernel", EL10)
    assert losses(found) == {("drivers/nic", "oslo", EL10, 1), ("drivers/probe", "oslo", EL10, 1)}
    assert {cell["waitsFor"] for cell in found["cells"]} == {"node.kubernetes.io/unschedulable:NoSchedule"}
    resolved = run("render", cwd=sites)
    assert resolved.returncode == 0, resolved.stderr
    now = run("resolve", "rendered/oslo/nic/module-nic.yaml", "--nodes", "nodes.json", cwd=sites)
    assert "no: taint node.kubernetes.io/unschedulable=:NoSchedule is not tolerated" in now.stdout


def test_clusters_whose_kernels_nobody_has_said_are_named(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path / "fleet")
    fleet.cluster("paris")
    fleet.driver("nic")
    assert plan(fleet.root, code=0)["unknownKernels"] == ["paris"]
    assert "No kernels are known of paris" in run("plan", cwd=fleet.root).stdout
    asked = plan(fleet.root, "--kernel", EL10, code=0)
    assert [(cell["loads"], cell["phase"]) for cell in asked["cells"]] == [(False, "next")]


def test_drivers_that_fight_and_versions_without_labels_are_told(sites: Path) -> None:
    path = sites / "drivers/probe.yaml"
    path.write_text(path.read_text().replace("moduleName: probe", "moduleName: nic"))
    found = plan(sites)
    assert {(item["rule"], item["file"]) for item in found["findings"]} == {
        ("SEL204", "drivers/nic.yaml"),
        ("SEL204", "drivers/probe.yaml"),
    }


def test_without_a_next_kernel_the_plan_says_so(sites: Path) -> None:
    for path in (sites / "clusters").iterdir():
        path.write_text(path.read_text()[: path.read_text().index("  nextKernels")])
    assert "no next kernel is known of lima, oslo, rome; name them in nextKernels" in run("plan", cwd=sites).stderr


# -- preflight ------------------------------------------------------------------------------------


def test_preflight_objects_are_written_for_every_next_kernel(sites: Path) -> None:
    result = run("plan", "--preflight", "preflight", cwd=sites)
    assert "preflight: 3 PreflightValidations written" in result.stderr
    files = sorted(path.relative_to(sites / "preflight").as_posix() for path in (sites / "preflight").rglob("*.yaml"))
    assert files == [
        "lima/preflight-5-14-0-570-12-1-el9-6-x86-64.yaml",
        "oslo/preflight-5-14-0-570-12-1-el9-6-x86-64.yaml",
        "rome/preflight-6-12-0-55-9-1-el10-0-x86-64.yaml",
    ]
    for name in files:
        value = yaml.safe_load((sites / "preflight" / name).read_text())
        assert value["spec"]["pushBuiltImage"] is True
        assert run("check", str(sites / "preflight" / name), "--profile", "parity", cwd=sites).returncode == 0


def test_an_older_kmm_gets_the_older_version_of_the_kind(sites: Path) -> None:
    path = sites / "clusters/oslo.yaml"
    path.write_text(path.read_text().replace('version: "2.6"', 'version: "2.3"'))
    run("plan", "--preflight", "preflight", "--cluster", "oslo", cwd=sites)
    (file,) = (sites / "preflight/oslo").iterdir()
    assert yaml.safe_load(file.read_text())["apiVersion"] == "kmm.sigs.x-k8s.io/v1beta1"


# -- reports --------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", SUFFIXES)
def test_a_plan_is_its_golden_text(format: str, sites: Path, update_golden: bool) -> None:
    result = run("plan", "--format", format, cwd=sites)
    assert result.returncode == 1
    text = without_style(result.stdout)
    golden = SCENARIO / "golden" / f"plan.{SUFFIXES[format]}"
    if update_golden:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_a_long_plan_fits_into_a_comment(tmp_path: Path) -> None:
    from tests.bench.generate import fleet

    root = fleet(tmp_path / "large", 120, 30)
    text = run("plan", "--format", "markdown", cwd=root).stdout
    assert 40_000 < len(text) <= 65_536
    assert re.search(r"\nand \d+ more parts, which do not fit\n$", text)
    assert text.count("<details>") == text.count("</details>")


def test_a_plan_needs_specs_that_render(sites: Path) -> None:
    (sites / "drivers/nic.yaml").write_text((sites / "drivers/nic.yaml").read_text().replace("regexp", "regex"))
    result = run("plan", cwd=sites)
    assert result.returncode == 2
    assert "nothing was planned" in result.stderr


# -- the semantics are those of resolve -------------------------------------------------------------


@pytest.mark.shared
def test_a_plan_says_what_resolve_says_on_every_kernel_of_the_oracle() -> None:
    from kmodgate.policy.kmm.defaults import defaulted
    from kmodgate.policy.kmm.nodes.node_selection import Node, on_kernel
    from kmodgate.renderer.plan.coverage import Resolver

    resolver, compared = Resolver(), 0
    for line in lines("kernel-mappings"):
        module = defaulted(line["module"])
        for _ in range(2):  # the second answer is the kept one
            found = on_kernel(module, Node("n", {}, (), line["kernel"], observed=False), resolver)
            said = answer(module, line["kernel"].removesuffix("+"))
            assert (found.resolution is None) is (said.resolution is None)
            if found.resolution is not None and said.resolution is not None:
                assert as_json(found.resolution) == as_json(said.resolution)
            else:
                assert found.reason == said.failure
        compared += 1
    assert compared == 400
