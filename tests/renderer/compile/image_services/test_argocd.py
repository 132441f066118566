"""Owner argocd: all of ims-config in the tree, the checksum on the pod template, and the hooks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodgate.policy.ims.settings import keys
from kmodgate.policy.ims.versions import ims_release, known_ims_versions
from tests.fleets import git
from tests.image_services import PLAIN, ImageServiceFleet

ARGOCD = 'csm: "1.6.0"\nowner: argocd\nnetwork: {domain: alps.example.com}'
IMAGES = (
    "images: {utils: r.local/utils:1, sshd: r.local/sshd:1, kiwiBuilder: r.local/kiwi:1, packerBuilder: r.local/p:1}"
)
HERE = "alps/cray-ims"


@pytest.fixture
def fleet(tmp_path: Path) -> ImageServiceFleet:
    return ImageServiceFleet(tmp_path)


def committed(fleet: ImageServiceFleet) -> None:
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")


def wave(value: Any) -> int:
    return int(value["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])


@pytest.mark.parametrize("version", known_ims_versions()[::6])
def test_all_of_ims_config_is_rendered_with_exactly_the_keys_of_the_release(
    fleet: ImageServiceFleet, version: str
) -> None:
    fleet.service(f'ims: "{version}"\nowner: argocd\nnetwork: {{domain: alps.example.com}}')
    fleet.render()
    text = (fleet.root / "rendered" / HERE / "configmap-ims-config.yaml").read_text()
    found = yaml.safe_load(text)
    assert tuple(found["data"]) == keys(ims_release(version))
    lines = text.partition("\ndata:\n")[2].splitlines()
    assert all(re.fullmatch(r'  [A-Z0-9_]+: "[^"\\]*"', line) for line in lines), text
    assert found["data"]["JOB_ENABLE_DKMS"] in ("true", "false")
    assert not (fleet.root / "handover").exists()


def test_the_literals_of_the_chart_are_said_in_place(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{ARGOCD}\nsizes: {{imageGiB: 90}}")
    fleet.render()
    assert fleet.object(f"{HERE}/configmap-ims-config.yaml")["data"]["DEFAULT_IMS_IMAGE_SIZE"] == "90"


def test_the_checksum_is_all_that_is_owned_of_the_deployment(fleet: ImageServiceFleet) -> None:
    fleet.service(ARGOCD)
    fleet.render()
    found = fleet.object(f"{HERE}/deployment-cray-ims.yaml")
    annotations = found["spec"]["template"]["metadata"].pop("annotations")
    assert found["spec"] == {"template": {"metadata": {}}}
    assert list(annotations) == ["checksum/ims-config"]
    options = found["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
    assert options == "ServerSideApply=true,Validate=false,Prune=false,Delete=false"


def test_class_before_config_before_the_new_pod(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{ARGOCD}\nkata: {{runtimeClass: kata-site, manageRuntimeClass: true}}")
    fleet.render()
    names = ("runtimeclass-kata-site", "configmap-ims-config", "deployment-cray-ims")
    waves = [wave(fleet.object(f"{HERE}/{name}.yaml")) for name in names]
    assert waves == sorted(set(waves))


NEVER_REMOVED = "Prune=false,Delete=false"
ALL = f"{ARGOCD}\nkata: {{runtimeClass: kata-site, manageRuntimeClass: true}}\ntemplates: {{managed: true, {IMAGES}}}"


def test_argo_cd_never_removes_what_the_service_or_its_jobs_need(fleet: ImageServiceFleet) -> None:
    fleet.service(ALL)
    fleet.render()
    names = [path.name for path in (fleet.root / "rendered" / HERE).iterdir()]
    kept = [name for name in names if name.startswith(("configmap", "runtimeclass"))]
    assert len(kept) == 5
    for name in kept:
        options = fleet.object(f"{HERE}/{name}")["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
        assert options == NEVER_REMOVED, name


def test_going_back_to_loftsman_says_what_stays(fleet: ImageServiceFleet) -> None:
    fleet.service(ALL)
    fleet.render()
    committed(fleet)
    fleet.service(f"{PLAIN}\nsizes: {{imageGiB: 90}}")
    check = fleet.run("render", "--check")
    diff = fleet.run("diff")
    rendered = fleet.run("render")
    line = (
        "configmap-ims-config.yaml leaves the tree: Argo CD does not prune ConfigMap services/ims-config, which stays"
    )
    for result in (check, rendered):
        assert f"rendered/{HERE}/{line} in the cluster as it is" in result.stderr
        assert "warning: " not in result.stderr
    moved = next(text for text in diff.stdout.splitlines() if "ConfigMap services/ims-config  " in text)
    assert "leaves the tree for the handover: Argo CD does not prune it, and it stays as it is" in moved
    gone = [text for text in diff.stdout.splitlines() if text.startswith(("  - ConfigMap", "  - Deploy", "  - Run"))]
    assert len(gone) == 5
    assert all("stays in the cluster, for Argo CD does not prune it" in text for text in gone)


def test_a_tree_without_the_annotation_is_a_warning(fleet: ImageServiceFleet) -> None:
    fleet.service(ARGOCD)
    fleet.render()
    path = fleet.root / "rendered" / HERE / "configmap-ims-config.yaml"
    path.write_text(path.read_text().replace(NEVER_REMOVED, "Validate=false"))
    fleet.service(PLAIN)
    found = fleet.run("render", "--dry-run")
    assert "warning: " in found.stderr
    assert "Argo CD deletes ConfigMap services/ims-config, without which the service" in found.stderr


def test_going_to_argo_cd_says_who_owns_the_config_then(fleet: ImageServiceFleet) -> None:
    fleet.service(PLAIN)
    committed(fleet)
    fleet.service(ARGOCD)
    found = json.loads(fleet.run("diff", "--format", "json").stdout)["objects"]
    notes = {item["name"]: item.get("note") for item in found if item["kind"] == "ConfigMap"}
    assert notes == {"ims-config": "comes into the tree: Argo CD owns it from then on"}


def test_hooks_need_an_image(fleet: ImageServiceFleet) -> None:
    fleet.service(ARGOCD)
    fleet.render()
    assert not list((fleet.root / "rendered" / HERE).glob("job-*"))
    fleet.service(f"{ARGOCD}\ntools: {{image: 'registry.local/python:3.12'}}")
    fleet.render()
    for name, hook in (("open-jobs", "PreSync"), ("settled", "PostSync")):
        job = fleet.object(f"{HERE}/job-kmodgate-ims-{name}.yaml")
        pod = job["spec"]["template"]
        assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == hook
        assert pod["metadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}
        assert pod["spec"]["containers"][0]["image"] == "registry.local/python:3.12"
    assert fleet.findings() == []


def test_templates_of_our_own_take_the_place_of_the_charts(fleet: ImageServiceFleet) -> None:
    kata = "kata: {permits: [virtio_fs_extra_args], xattr: true, flavour: rust}"
    fleet.service(f"{ARGOCD}\n{kata}\ntemplates: {{managed: true, {IMAGES}}}")
    fleet.render()
    found = fleet.object(f"{HERE}/configmap-cray-configmap-ims-v2-image-customize.yaml")
    assert '"-o,xattr"' in found["data"]["image_job_customize.yaml.template"]
    assert fleet.findings() == []


def test_templates_are_mounted_beside_the_charts_where_loftsman_owns_these(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{PLAIN}\nkata: {{permits: []}}\ntemplates: {{managed: true, {IMAGES}}}")
    fleet.render()
    folder = fleet.root / "handover" / HERE
    values = yaml.safe_load((folder / "customizations.yaml").read_text())["spec"]["kubernetes"]["services"]["cray-ims"]
    for kind in ("create-kiwi-ng", "create-packer", "customize"):
        name = f"cray-configmap-ims-v2-image-{kind}-site"
        volume = values["cray-service"]["volumes"][f"v2-image-{kind}-job-template-vol"]
        assert volume == {"configMap": {"name": name}}
        found = yaml.safe_load((folder / f"{name}.yaml").read_text())
        assert found["metadata"]["name"] == name
        assert "xattr" not in str(found["data"])
    assert fleet.findings() == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("templates: {managed: true}", "spec.templates.images"),
        (f"templates: {{managed: true, {IMAGES.replace('utils:1', 'utils')}}}", "spec.templates.images.utils"),
    ],
)
def test_templates_need_images_with_tags(fleet: ImageServiceFleet, spec: str, field: str) -> None:
    fleet.service(f"{PLAIN}\n{spec}")
    assert [item["field"] for item in fleet.findings()] == [field]


def test_there_are_no_templates_for_an_early_release(fleet: ImageServiceFleet) -> None:
    fleet.service(f'csm: "1.4.4"\nowner: loftsman\ntemplates: {{managed: true, {IMAGES}}}')
    (found,) = fleet.findings()
    assert (found["rule"], found["field"]) == ("IMS502", "spec.templates.managed")
