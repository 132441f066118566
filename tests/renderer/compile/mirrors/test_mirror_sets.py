"""The mirrors of a cluster as OpenShift's own objects."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from kmodgate import schemas
from kmodgate.policy.json_schema.schema import Schema
from tests import shared
from tests.fleets import FleetFolder
from tests.renderer.compile.mirrors.test_rewriting import DIGESTS, TAGS, mirrored

SETS = "paris/cluster/image{}mirrorset-kmodgate.yaml"
OTHER = "{source: '*.example.com', mirror: m.example/x, type: tag, mirrorSourcePolicy: NeverContactSource}"


@pytest.fixture
def sets(fleet: FleetFolder) -> dict[str, Any]:
    """The rendered object of each type."""
    fleet.cluster("paris", platform="openshift")
    mirrored(fleet, TAGS, OTHER, DIGESTS, more="  mirrorObjects: true\n")
    fleet.driver("nic")
    fleet.render()
    return {kind: fleet.object(SETS.format(kind)) for kind in ("digest", "tag")}


def test_there_is_one_object_a_type_with_its_mirrors_by_source(sets: dict[str, Any]) -> None:
    allowed = {"mirrors": ["m.example:5000/acme"], "mirrorSourcePolicy": "AllowContactingSource"}
    assert sets["digest"]["spec"] == {"imageDigestMirrors": [{"source": "quay.io/acme", **allowed}]}
    never = {"mirrors": ["m.example/x"], "mirrorSourcePolicy": "NeverContactSource"}
    assert sets["tag"]["spec"]["imageTagMirrors"] == [
        {"source": "*.example.com", **never},
        {"source": "quay.io/acme", **allowed},
    ]
    options = sets["tag"]["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
    assert options == "Prune=confirm,Delete=confirm"


def test_another_order_in_the_spec_changes_nothing(fleet: FleetFolder, sets: dict[str, Any]) -> None:
    fleet.cluster("paris", platform="openshift")
    mirrored(fleet, DIGESTS, OTHER, TAGS, more="  mirrorObjects: true\n")
    assert fleet.run("render", "--check").returncode == 0


def test_a_type_without_mirrors_has_no_object(fleet: FleetFolder) -> None:
    fleet.cluster("paris", platform="openshift")
    mirrored(fleet, DIGESTS, more="  mirrorObjects: true\n")
    fleet.driver("nic")
    fleet.render()
    assert [name for name in fleet.files() if "mirrorset" in name] == [SETS.format("digest")]


def test_explain_leads_to_the_line_of_the_mirror(fleet: FleetFolder, sets: dict[str, Any]) -> None:
    text = fleet.run("explain", "ImageTagMirrorSet/kmodgate").stdout
    assert "spec.mirrors[0].mirror (cluster)" in text
    assert "clusters/paris.yaml:9:" in text
    assert "spec.mirrors[1].mirrorSourcePolicy (cluster)" in text


@pytest.mark.parametrize("kind", ["digest", "tag"])
def test_the_objects_are_what_the_schemas_say(sets: dict[str, Any], kind: str) -> None:
    schema = Schema(schemas.read(f"config.openshift.io/image{kind}mirrorset_v1"))
    assert list(schema.violations(sets[kind])) == []
    wrong = {**sets[kind], "spec": {next(iter(sets[kind]["spec"])): [{"source": "a:b:c"}]}}
    assert list(schema.violations(wrong))


@pytest.mark.shared
def test_a_digest_mirror_set_is_what_openshifts_definition_says(sets: dict[str, Any]) -> None:
    file = shared.need("crds/config.openshift.io_imagedigestmirrorsets.yaml")
    (version,) = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]["versions"]
    jsonschema.validate(sets["digest"], version["schema"]["openAPIV3Schema"])
