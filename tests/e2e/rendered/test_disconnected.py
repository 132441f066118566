"""A site without a registry, and the Argo CD of its fleet, on a real API server: each field is kept, and said once.

The kinds have their own definitions; of those of OpenShift that are not at hand our schemas make one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from tests import shared
from tests.e2e.api_server import definitions
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.definitions import Kind
from tests.e2e.webhook import KMODGATE
from tests.fleets import REPOSITORY
from tests.renderer.diff.three_sites import edit

pytestmark = pytest.mark.shared

Json: TypeAlias = dict[str, Any]

MIRRORS = tuple(
    Kind(kind, "config.openshift.io", f"{kind.lower()}s", ("v1",))
    for kind in ("ImageDigestMirrorSet", "ImageTagMirrorSet")
)
ARGO = "argoproj.io"
ARGO_CD = ("applications", "applicationsets", "appprojects")
WAVE = "argocd.argoproj.io/sync-wave"


def rendered(folder: Path, kind: str) -> list[list[Json]]:
    """What the example renders with Argo CD's objects of a kind: of each cluster, and by hand, in the order of a sync."""
    shutil.copytree(REPOSITORY / "examples/disconnected", folder)
    edit(folder / "clusters/hq.yaml", ("kind: ApplicationSet", f"kind: {kind}"))
    subprocess.run([KMODGATE, "render", folder], check=True, capture_output=True)
    trees = (folder / "handover/hq", folder / "rendered/hq", folder / "rendered/vault-1")
    found = [
        [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(tree.rglob("*.yaml"))] for tree in trees
    ]
    for values in found:
        values.sort(key=lambda value: int(value["metadata"].get("annotations", {}).get(WAVE, 0)))
    return found


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The control plane with the kinds of mirrors and of Argo CD, and the namespace of the latter."""
    own = [definitions.read(shared.need(f"crds/{ARGO}_{plural}.yaml")) for plural in ARGO_CD]
    found = [*own, *definitions.definitions(MIRRORS)]
    control_plane.install(*found)
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "openshift-gitops"}})
    yield control_plane
    names = [item["metadata"]["name"] for item in found]
    control_plane.kubectl("delete", "customresourcedefinition", *names, "--wait=false", check=True)
    policy = ("configmap", "kmodgate-policy", "--namespace=kmodgate-system")
    control_plane.kubectl("delete", *policy, "--ignore-not-found", check=True)
    namespaces = ("acme-fpga", "acme-nic", "openshift-gitops")
    control_plane.kubectl("delete", "namespace", *namespaces, "--wait=false", "--ignore-not-found", check=True)


def apply(cluster: ControlPlane, values: list[Json]) -> list[Json]:
    """Apply objects in their order as Argo CD does, but refuse fields that a kind lacks; what the server has then."""
    flags = ("--server-side", "--force-conflicts", "--validate=strict", "--output=json", "--filename=-")
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": values})
    found: list[Json] = json.loads(cluster.kubectl("apply", *flags, input=text, check=True).stdout)["items"]
    return found


@pytest.mark.parametrize("kind", ["ApplicationSet", "Application"])
def test_every_object_keeps_its_fields_and_a_second_sync_changes_nothing(
    cluster: ControlPlane, tmp_path: Path, kind: str
) -> None:
    trees = rendered(tmp_path / "fleet", kind)
    kinds = {value["kind"] for values in trees for value in values}
    assert {"ImageDigestMirrorSet", "ImageTagMirrorSet", "AppProject", "Module", kind} <= kinds
    for values in trees:
        first = apply(cluster, values)
        assert [lacking(value, made) for value, made in zip(values, first, strict=True)] == [[]] * len(values)
        assert [version(made) for made in apply(cluster, values)] == [version(made) for made in first]


def lacking(wanted: Any, found: Any, path: str = "") -> list[str]:
    """The fields that the server dropped or changed; it may have more."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [item for key, value in wanted.items() for item in lacking(value, found.get(key), f"{path}.{key}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [item for index, (value, other) in pairs for item in lacking(value, other, f"{path}[{index}]")]
    return [] if wanted == found else [f"{path}: {found!r} instead of {wanted!r}"]


def version(value: Json) -> tuple[str, str, str]:
    return value["kind"], value["metadata"]["name"], value["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("ImageDigestMirrorSet", {"imageTagMirrors": []}),
        ("ImageTagMirrorSet", {"imageTagMirrors": [{"mirrors": ["m.example"], "source": "quay.io", "policy": "x"}]}),
        ("AppProject", {"destination": []}),
        ("ApplicationSet", {"template": {"spec": {"projects": "x"}}}),
        ("Application", {"syncOptions": []}),
    ],
)
def test_a_field_that_a_kind_lacks_would_be_refused(
    cluster: ControlPlane, tmp_path: Path, kind: str, wrong: Json
) -> None:
    """Else the test above proves nothing."""
    trees = rendered(tmp_path / "fleet", "Application" if kind == "Application" else "ApplicationSet")
    value = next(value for values in trees for value in values if value["kind"] == kind)
    value["spec"] |= wrong
    flags = ("--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server", "--filename=-")
    done = cluster.kubectl("apply", *flags, input=json.dumps(value))
    assert done.returncode != 0, done.stdout
    assert "field not declared in schema" in done.stderr or "unknown field" in done.stderr
