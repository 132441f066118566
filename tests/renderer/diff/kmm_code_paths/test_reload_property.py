"""`kmodgate diff` of two Modules never says less than KMM's own comparison of what nodes have with what they get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate.policy.formats.yaml_documents import OBJECTS, parse
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.nodes.node_selection import why_not_selected, why_repelled
from kmodgate.policy.kmm.resolution.resolve import Resolution, Unresolved, resolve
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.diff.consequences import Consequence, Consequences
from kmodgate.renderer.diff.effects.affected import Refusals
from kmodgate.renderer.diff.effects.causes import Causes
from kmodgate.renderer.diff.effects.changed_fields import ObjectChange, compare
from kmodgate.renderer.diff.effects.effect import Effect
from kmodgate.renderer.fleet.clusters.nodes import node_of_group
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.files import FleetFiles
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.specs import Cluster, Kmm, NodeGroup
from kmodgate.renderer.manifests.manifest import Manifest
from tests.draws import drawn
from tests.objects.modules import changed, modules

KERNELS = ("5.14.0-427.el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64", "6.12.0-1.el10.x86_64")
RELOADING = (Effect.RELOAD, Effect.ORDERED, Effect.LOSE, Effect.REFUSED)

TLS: tuple[Any, ...] = ({}, {"insecure": False}, {"insecure": True}, {"insecureSkipTLSVerify": True})
SETTINGS: tuple[tuple[tuple[str | int, ...], tuple[Any, ...]], ...] = (
    (("imagePullPolicy",), (None, "", "Always", "Never")),
    (("registryTLS",), TLS),
    (("kernelMappings", -1, "registryTLS"), (None, *TLS)),
    (("modprobe", "parameters"), (None, [], ["a=1"], ["a=2"])),
    (("modprobe", "firmwarePath"), (None, "", "/firmware")),
    (("modprobe", "args"), (None, {}, {"load": ["-f"]})),
    (("kernelMappings", -1, "inTreeModulesToRemove"), (None, [], ["ice"])),
)
"""Settings that nodes are told, or that look like it, with values of which some are the same to KMM."""


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """A Module before and after a change, with a mapping for some of the kernels."""
    before = draw(modules())
    for mapping in before["spec"].get("moduleLoader", {}).get("container", {}).get("kernelMappings", ())[-1:]:
        mapping.pop("literal", None)
        mapping |= {"regexp": draw(st.sampled_from(["^5\\.14\\..+$", "el9", "."])), "containerImage": "quay.io/a/b:1"}
    after = draw(changed(before))
    for path, values in draw(st.lists(st.sampled_from(SETTINGS), max_size=3)):
        for module in (before, after):
            loader = module["spec"].get("moduleLoader")
            if loader is not None:
                node = loader["container"]
                for step in path[:-1]:
                    node = node[step]
                node[path[-1]] = draw(st.sampled_from(values))
    return defaulted(before), defaulted(after)


def as_go_stores_it(module: Any, found: Resolution) -> dict[str, Any]:
    """The ModuleConfig of a node in JSON: fields with `omitempty` are there only if they hold something."""
    modprobe = found.modprobe
    optional = {
        "inTreeModulesToRemove": found.in_tree_modules_to_remove,
        "moduleName": modprobe.get("moduleName"),
        "parameters": modprobe.get("parameters"),
        "dirName": modprobe.get("dirName"),
        "firmwarePath": modprobe.get("firmwarePath"),
        "modulesLoadingOrder": modprobe.get("modulesLoadingOrder"),
    }
    pointers = {
        name: {key: items for key, items in modprobe[name].items() if items}
        for name in ("args", "rawArgs")
        if modprobe.get(name) is not None
    }
    return {
        "containerImage": found.image,
        "imagePullPolicy": module["spec"]["moduleLoader"]["container"].get("imagePullPolicy", ""),
        "insecurePull": any(found.registry_tls.get(key, False) for key in ("insecure", "insecureSkipTLSVerify")),
        **{key: value for key, value in optional.items() if value},
        **pointers,
    }


def on_group(module: Any, group: NodeGroup) -> list[dict[str, Any] | None]:
    """What the nodes of a group get on each of its kernels; None where they get nothing."""
    node = node_of_group(group, observed=False)
    if not module["spec"].get("moduleLoader") or why_not_selected(module, node) or why_repelled(module, node):
        return [None for _ in group.kernels]
    result: list[dict[str, Any] | None] = []
    for kernel in group.kernels:
        try:
            result.append(as_go_stores_it(module, resolve(module, kernel)))
        except Unresolved:
            result.append(None)
    return result


def cluster(groups: tuple[NodeGroup, ...]) -> Cluster:
    (document,), _ = parse("kind: Cluster\n", "clusters/lab.yaml", OBJECTS)
    kmm = Kmm("", "upstream")
    return Cluster("lab", {}, "kubernetes", "ha", "", kmm, groups, groups, (), document, has_inventory=False)


def manifest(value: Any) -> Manifest:
    return Manifest(value, None, "nic.yaml", lambda path: Origin("nic.yaml", 1, 1, "attached", path))


def consequences(before: Any, after: Any, groups: tuple[NodeGroup, ...], root: Path) -> list[Consequence]:
    fields = tuple(compare(before, after))
    change = ObjectChange(manifest(before), manifest(after), ("lab",), fields)
    fleet = CompiledFleet(Fleet(FleetFiles(root)), [], {}, {}, {}, {}, {})
    return Consequences({"lab": cluster(groups)}, Causes(fleet, fleet), Refusals()).of([change] if fields else [])


def groups_for(before: Any, after: Any) -> tuple[NodeGroup, ...]:
    """Nodes that the Module selected, selects, and both."""
    old, new = (dict(module["spec"].get("selector") or {}) for module in (before, after))
    labels = {"old": old, "new": new, "both": {**old, **new}}
    return tuple(NodeGroup(name, 2, item, (), KERNELS, "", secure_boot=False) for name, item in labels.items())  # type: ignore[arg-type]


def is_recreated(found: list[Consequence]) -> bool:
    return any(item.effect is Effect.RECREATE for item in found)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fleet")


@settings(max_examples=drawn(50))
@given(pair=pairs())
def test_diff_says_every_reload_and_no_other(root: Path, pair: tuple[Any, Any]) -> None:
    before, after = pair
    groups = groups_for(before, after)
    found = consequences(before, after, groups, root)
    told = {place[1] for item in found if item.effect in RELOADING for place in item.places}
    for group in groups:
        sides = list(zip(on_group(before, group), on_group(after, group), strict=True))
        reloads = any(old is not None and new is not None and old != new for old, new in sides)
        leaves = any(old is not None and new is None for old, new in sides)
        if reloads and not leaves:  # of a group on several kernels the worst is told
            assert is_recreated(found) or group.name in told
        if not reloads:
            assert group.name not in told


@settings(max_examples=drawn(30))
@given(pair=pairs())
def test_diff_says_a_reload_where_no_node_is_known(root: Path, pair: tuple[Any, Any]) -> None:
    before, after = pair
    group = NodeGroup("any", 1, {}, (), KERNELS, "", secure_boot=False)  # type: ignore[arg-type]
    anywhere = [{**module, "spec": {**module["spec"], "selector": {}}} for module in pair]
    sides = list(zip(*(on_group(module, group) for module in anywhere), strict=True))
    found = consequences(before, after, (), root)
    if any(old is not None and new is not None and old != new for old, new in sides):
        assert is_recreated(found) or any(item.effect in RELOADING and item.unknown == ("lab",) for item in found)
