"""The job templates of our own: each release, recipe and state of a job gives sound objects."""

from __future__ import annotations

import json
from string import Template
from typing import Any

import pytest
import yaml

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.ims.template_text import STATES, State, dummy_values, placeholders
from kmodgate.policy.ims.templates import VARIABLES, XATTR, XATTR_VALUES
from kmodgate.policy.kata.cpu_limits import most_cpus
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.policy.views.pod import PodView
from kmodgate.renderer.job_templates.config_maps import JobTemplateSettings, releases_with_templates
from kmodgate.schemas.compiled import any_schema
from tests.objects.ims_templates import CUSTOMIZE, KIWI, PACKER, config_maps

RELEASES = ["3.12.0", "3.15.0", "3.20.0", "3.33.0"]
IN_VM = State(dkms=True, arch="x86_64", remote=False)


def loaded(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def values_of(release: str, state: State) -> dict[str, str]:
    """What a release fills in, and nothing that another one does."""
    version = tuple(map(int, release.split(".")))
    return {name: value for name, value in dummy_values(state).items() if VARIABLES[name].holds(version)}


def objects(release: str, state: State, index: int) -> dict[str, Any]:
    """The objects of one ConfigMap as IMS makes them, by kind."""
    texts = config_maps(release)[index]["data"].values()
    made = [loaded(Template(text).substitute(values_of(release, state))) for text in texts]
    return {item["kind"]: item for item in made}


@pytest.mark.parametrize("release", RELEASES)
def test_no_rule_finds_anything(release: str) -> None:
    found = config_maps(release)
    facts = SnapshotFacts(found, ["ConfigMap"])
    engine = Engine(read_policy({"profile": "strict"}))
    traits = ClusterTraits(schema_of=any_schema, ims_version=release)
    findings = [item for value in found for item in engine.evaluate(Review(value, cluster=traits, facts=facts))]
    assert findings == []


@pytest.mark.parametrize("release", RELEASES)
def test_each_state_of_a_job_is_filled_in_from_what_the_release_has(release: str) -> None:
    for state in STATES:
        for index in (KIWI, PACKER, CUSTOMIZE):
            made = objects(release, state, index)
            assert set(made) == {"ConfigMap", "Service", "Job", "PersistentVolumeClaim"}
            spec = made["Job"]["spec"]["template"]["spec"]
            assert spec["runtimeClassName"] == (state.runtime_class or None)
            assert spec["serviceAccountName"] == ("ims-service-job-mount" if state.dkms else None)
            (sshd,) = (item for item in spec["containers"] if item["name"] == "sshd")
            assert sshd["securityContext"]["privileged"] is state.dkms
            assert sshd["securityContext"]["capabilities"]["add"] == (["SYS_ADMIN"] if state.dkms else [])


@pytest.mark.parametrize("index", [KIWI, PACKER, CUSTOMIZE])
def test_cpu_limits_come_to_16_at_most(index: int) -> None:
    assert most_cpus(PodView(objects("3.33.0", IN_VM, index)["Job"], "batch/Job")) <= 16


USED = {
    "job_mem_size",
    "job_mem_limit",
    "id",
    "namespace",
    "runtime_class",
    "service_account",
    "security_privilege",
    "security_capabilities",
    "download_url",
    "download_md5sum",
    "enable_debug",
    "ssh_jail",
    "image_root_archive_name",
    "kernel_filename",
    "initrd_filename",
    "kernel_parameters_filename",
    "s3_bucket",
    "public_key",
    "hostname",
    "address_pool",
    "pvc_gb",
    "job_enable_dkms",
    "job_arch",
}


@pytest.mark.parametrize(
    ("index", "more"),
    [
        (KIWI, {"remote_build_node", "template_dictionary"}),
        (PACKER, set()),
        (CUSTOMIZE, {"remote_build_node", "remote_heartbeat_timeout_count"}),
    ],
)
def test_a_template_has_every_placeholder_that_its_containers_need(index: int, more: set[str]) -> None:
    texts = config_maps("3.33.0")[index]["data"].values()
    assert {item.name for text in texts for item in placeholders(text)} == USED | more


def test_what_a_release_does_not_know_is_left_out() -> None:
    def text(release: str, index: int) -> str:
        return "".join(config_maps(release)[index]["data"].values())

    assert "$security_capabilites]" in text("3.15.0", KIWI)
    assert "signing-keys" not in text("3.29.0", KIWI)
    assert "signing-keys" in text("3.30.0", KIWI)
    assert "REMOTE" not in text("3.13.0", CUSTOMIZE)
    assert "remote-key" not in text("3.13.0", CUSTOMIZE)
    assert "REMOTE_HEARTBEAT_TIMEOUT_COUNT" not in text("3.31.0", CUSTOMIZE)
    (prepare,) = objects("3.13.0", IN_VM, CUSTOMIZE)["Job"]["spec"]["template"]["spec"]["initContainers"]
    assert "securityContext" not in prepare


@pytest.mark.parametrize("flavour", ["go", "rust"])
def test_the_annotation_is_in_the_syntax_of_the_runtime(flavour: str) -> None:
    settings = JobTemplateSettings("a:1", "b:1", "c:1", "d:1", annotations={XATTR: XATTR_VALUES[flavour]})
    for value in config_maps("3.20.0", settings):
        text = next(text for key, text in value["data"].items() if "_job_" in key)
        job = loaded(Template(text).substitute(values_of("3.20.0", IN_VM)))
        annotations = job["spec"]["template"]["metadata"]["annotations"]
        assert annotations == {XATTR: '["-o", "xattr"]' if flavour == "go" else "-o,xattr"}


def test_what_a_site_says_is_text_for_ims_too() -> None:
    odd = 'a"b\\c$d'
    settings = JobTemplateSettings("a:1", "b:1", "c:1", "d:1", api_gateway=odd, annotations={"example.com/x": odd})
    text = config_maps("3.20.0", settings)[CUSTOMIZE]["data"]["image_job_customize.yaml.template"]
    template = loaded(Template(text).substitute(values_of("3.20.0", IN_VM)))["spec"]["template"]
    assert template["metadata"]["annotations"] == {"example.com/x": odd}
    assert {"name": "API_GATEWAY_HOSTNAME", "value": odd} in template["spec"]["initContainers"][0]["env"]


@pytest.mark.parametrize("name", ["123", "yes", "a: b", "x #y", "[x]", "*a", "%a", "- a"])
def test_any_name_stays_a_text(name: str) -> None:
    free = dict.fromkeys(("image_root_archive_name", "kernel_filename", "public_key", "hostname", "address_pool"), name)
    for value in config_maps("3.33.0"):
        for text in value["data"].values():
            made = loaded(Template(text).substitute(values_of("3.33.0", IN_VM) | free))
            schema = any_schema(made)
            assert schema is not None
            assert schema.is_valid(json.loads(json.dumps(made)))


def test_a_release_without_templates_is_refused_with_those_that_have_some() -> None:
    with pytest.raises(ValueError, match=r"IMS 3\.12\.0 to 3\.33\.0, and not for IMS 3\.8\.3"):
        config_maps("3.8.3")
    assert releases_with_templates()[0] == "3.12.0"
