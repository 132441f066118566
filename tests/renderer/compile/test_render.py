"""What a driver's spec becomes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kmodgate.policy.findings import Finding
from kmodgate.renderer.fleet import nodes
from kmodgate.renderer.fleet.files import Unreadable
from kmodgate.renderer.fleet.load import load_fleet
from kmodgate.renderer.fleet.specs import KernelVersion, NodeGroup, Taint
from tests.fleets import FleetFolder

MODULE = "paris/nic/module-nic.yaml"
TWO_ENV = "devicePlugin: {container: {image: a:1, env: [{name: A, value: a}, {name: A, value: b}]}}\n"
CLUSTER = "apiVersion: kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {name: zz}\nspec:\n  platform: kubernetes\n"
IMAGE = "quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}"
SIGN = "sign: {keySecret: k, certSecret: c, filesToSign: [/opt/lib/modules/a.ko], unsignedImage: 'b:1'}"


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path)
    folder.cluster("paris")
    folder.write("drivers/Dockerfile", "FROM a:1\nRUN make\n")
    return folder


def module(fleet: FleetFolder, more: str = "") -> Any:
    fleet.driver("nic", more)
    fleet.render()
    return fleet.object(MODULE)


def container(fleet: FleetFolder, more: str = "") -> Any:
    return module(fleet, more)["spec"]["moduleLoader"]["container"]


def errors(fleet: FleetFolder) -> list[str]:
    """The lines with findings of a render that must fail, without their fixes."""
    result = fleet.run("render")
    assert result.returncode == 2, result.stderr
    assert not (fleet.root / "rendered").exists()
    assert "\n    fix: " in result.stderr
    return [line for line in result.stderr.splitlines() if ": error[" in line]


def test_a_plain_driver_is_a_namespace_an_account_and_a_module_beside_the_policy(fleet: FleetFolder) -> None:
    module(fleet)
    assert set(fleet.files()) == {
        "paris/.index",
        "paris/cluster/configmap-kmodgate-policy.yaml",
        "paris/cluster/namespace-kmm-tests.yaml",
        "paris/cluster/namespace-kmodgate-system.yaml",
        "paris/nic/module-nic.yaml",
        "paris/nic/serviceaccount-nic.yaml",
    }


def test_the_namespace_is_privileged_and_never_removed(fleet: FleetFolder) -> None:
    module(fleet)
    metadata = fleet.object("paris/cluster/namespace-kmm-tests.yaml")["metadata"]
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    assert metadata["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    assert "security.openshift.io/scc.podSecurityLabelSync" not in metadata["labels"]


def test_openshift_gets_an_scc_binding_in_the_modules_namespace_and_no_label_sync(fleet: FleetFolder) -> None:
    fleet.cluster("paris", platform="openshift", flavour="redhat")
    module(fleet)
    binding = fleet.object("paris/nic/rolebinding-nic-scc-privileged.yaml")
    assert binding["metadata"]["namespace"] == "kmm-tests"
    assert binding["roleRef"]["name"] == "system:openshift:scc:privileged"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "nic", "namespace": "kmm-tests"}]
    labels = fleet.object("paris/cluster/namespace-kmm-tests.yaml")["metadata"]["labels"]
    assert labels["security.openshift.io/scc.podSecurityLabelSync"] == "false"


@pytest.mark.parametrize(("scc", "bindings"), [("kmm", ["paris/nic/rolebinding-nic-scc-kmm.yaml"]), ('""', [])])
def test_another_scc_can_be_named_or_none(fleet: FleetFolder, scc: str, bindings: list[str]) -> None:
    fleet.cluster("paris", platform="openshift")
    module(fleet, f"scc: {scc}")
    assert [path for path in fleet.files() if "rolebinding" in path] == bindings


@pytest.mark.parametrize(
    ("more", "accounts"),
    [("", "nic"), ("serviceAccountName: loader", "loader"), ('serviceAccountName: ""', None)],
)
def test_the_service_account_is_named_after_the_driver_given_or_none(
    fleet: FleetFolder, more: str, accounts: str | None
) -> None:
    loader = module(fleet, more)["spec"]["moduleLoader"]
    assert loader.get("serviceAccountName") == accounts
    rendered = [path for path in fleet.files() if "serviceaccount" in path]
    assert rendered == ([f"paris/nic/serviceaccount-{accounts}.yaml"] if accounts else [])


def test_accounts_that_others_own_are_named_and_not_rendered(fleet: FleetFolder) -> None:
    fleet.driver("nic", "serviceAccountName: theirs\ndevicePlugin: {container: {image: a:1}}")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("{name: kmm-tests}", "{name: kmm-tests, manage: false}"))
    fleet.render()
    assert fleet.object(MODULE)["spec"]["moduleLoader"]["serviceAccountName"] == "theirs"
    assert [name for name in fleet.files() if "serviceaccount" in name] == [
        "paris/nic/serviceaccount-nic-device-plugin.yaml"
    ]


def test_a_plugin_has_an_account_of_its_own(fleet: FleetFolder) -> None:
    plugin = module(fleet, "devicePlugin: {container: {image: a:1}}")["spec"]["devicePlugin"]
    assert plugin["serviceAccountName"] == "nic-device-plugin"
    assert "paris/nic/serviceaccount-nic-device-plugin.yaml" in fleet.files()


@pytest.mark.parametrize(
    ("removal", "options"),
    [("confirm", "Prune=confirm,Delete=confirm"), ("auto", None), ("retain", "Prune=false,Delete=false")],
)
def test_removal_decides_what_argo_cd_may_do(fleet: FleetFolder, removal: str, options: str | None) -> None:
    annotations = module(fleet, f"removal: {removal}")["metadata"]["annotations"]
    assert annotations.get("argocd.argoproj.io/sync-options") == options


def test_sync_waves_apply_what_unloading_needs_before_the_module(fleet: FleetFolder) -> None:
    module(fleet, "build: {dockerfile: ./Dockerfile}")
    waves = {}
    for path in fleet.files():
        if path.endswith(".yaml"):
            value = fleet.object(path)
            waves[value["kind"]] = int(value["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])
    assert waves == {"Namespace": -20, "ServiceAccount": -15, "ConfigMap": -5, "Module": 5}


def test_defaults_that_argo_cd_would_see_as_drift_are_written_out(fleet: FleetFolder) -> None:
    volumes = "devicePlugin: {container: {image: a:1}, volumes: [{name: r, rbd: {image: i, monitors: [m]}}]}"
    spec = module(fleet, volumes)["spec"]
    assert spec["moduleLoader"]["container"]["modprobe"]["dirName"] == "/opt"
    assert spec["moduleLoader"]["container"]["kernelMappings"][0]["containerImage"] == ""
    assert spec["devicePlugin"]["volumes"][0]["rbd"]["pool"] == "rbd"


def test_a_dockerfile_becomes_an_immutable_config_map_that_is_pruned_last(fleet: FleetFolder) -> None:
    name = container(fleet, "build: {dockerfile: ./Dockerfile}")["build"]["dockerfileConfigMap"]["name"]
    config_map = fleet.object(f"paris/nic/configmap-{name}.yaml")
    assert config_map["data"] == {"dockerfile": "FROM a:1\nRUN make\n"}
    assert config_map["immutable"] is True
    assert config_map["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "PruneLast=true"


def test_another_dockerfile_is_another_config_map(fleet: FleetFolder) -> None:
    first = container(fleet, "build: {dockerfile: ./Dockerfile}")["build"]["dockerfileConfigMap"]["name"]
    fleet.write("drivers/Dockerfile", "FROM a:2\n")
    second = container(fleet, "build: {dockerfile: ./Dockerfile}")["build"]["dockerfileConfigMap"]["name"]
    assert first != second
    assert f"paris/nic/configmap-{first}.yaml" not in fleet.files()


def test_line_ends_of_a_checkout_do_not_change_the_tree(fleet: FleetFolder) -> None:
    container(fleet, "build: {dockerfile: ./Dockerfile}")
    before = fleet.files()
    for path in [*fleet.root.glob("drivers/*"), *fleet.root.glob("clusters/*")]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    fleet.render()
    assert fleet.files() == before


def test_mappings_may_have_dockerfiles_of_their_own_and_share_them(fleet: FleetFolder) -> None:
    fleet.write("drivers/Other", "FROM b:1\n")
    fleet.driver("nic")
    text = (fleet.root / "drivers/nic.yaml").read_text()
    mappings = "".join(
        f"  - {{literal: k{n}, containerImage: 'a:{n}', build: {{dockerfile: {name}}}}}\n"
        for n, name in enumerate(["./Dockerfile", "./Other", "Other"])
    )
    fleet.write("drivers/nic.yaml", text + mappings)
    fleet.render()
    assert len([path for path in fleet.files() if "configmap-nic" in path]) == 2


@pytest.mark.parametrize(
    "change", ["buildArgs: {A: '2'}", "secrets: [other]", "dockerfile: ./Other", "sign"]
)  # fmt: skip
def test_content_tag_changes_the_tag_when_what_is_built_changes(fleet: FleetFolder, change: str) -> None:
    fleet.write("drivers/Other", "FROM b:1\n")
    common = "contentTag: true\nbuild: {dockerfile: ./Dockerfile, buildArgs: {A: '1'}, secrets: [s]}\n"
    first = container(fleet, common)["containerImage"]
    assert first.startswith("quay.io/acme/nic:1.0-")
    assert container(fleet, common)["containerImage"] == first
    changed = common + SIGN if change == "sign" else common.replace(
        {"b": "buildArgs: {A: '1'}", "s": "secrets: [s]", "d": "dockerfile: ./Dockerfile"}[change[0]], change
    )  # fmt: skip
    assert container(fleet, changed)["containerImage"] != first


@pytest.mark.parametrize(
    "change", ["keySecret: k2", "certSecret: c2", "filesToSign: [/opt/b.ko]", "unsignedImage: 'b:1'"]
)  # fmt: skip
def test_content_tag_changes_the_tag_when_what_is_signed_changes(fleet: FleetFolder, change: str) -> None:
    signed = {"keySecret": "k", "certSecret": "c", "filesToSign": "[/opt/a.ko]", "unsignedImage": "'a:1'"}
    key, _, value = change.partition(": ")
    tags = {
        container(fleet, "contentTag: true\nsign: {" + ", ".join(f"{k}: {v}" for k, v in level.items()) + "}")[
            "containerImage"
        ]
        for level in (signed, {**signed, key: value})
    }
    assert len(tags) == 2


def test_content_tag_leaves_an_image_alone_that_no_mapping_uses(fleet: FleetFolder) -> None:
    fleet.driver("nic", f"contentTag: true\n{SIGN}")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("regexp: ", "containerImage: 'own:1', regexp: "))
    fleet.render()
    rendered = fleet.object(MODULE)["spec"]["moduleLoader"]["container"]
    assert rendered["containerImage"] == IMAGE
    assert rendered["kernelMappings"][0]["containerImage"].startswith("own:1-")


def test_content_tag_leaves_a_mapping_alone_that_is_not_built(fleet: FleetFolder) -> None:
    fleet.driver("nic", "contentTag: true")
    text = (fleet.root / "drivers/nic.yaml").read_text()
    own = "  - {literal: k, containerImage: 'b:1', build: {dockerfile: ./Dockerfile}}\n  - {literal: l, containerImage: 'c:1'}\n"
    fleet.write("drivers/nic.yaml", text.replace("  contentTag: true\n", own + "  contentTag: true\n"))
    fleet.render()
    rendered = fleet.object(MODULE)["spec"]["moduleLoader"]["container"]
    images = [mapping["containerImage"] for mapping in rendered["kernelMappings"]]
    assert rendered["containerImage"] == IMAGE
    assert images[0] == ""
    assert images[1].startswith("b:1-")
    assert images[2] == "c:1"


@pytest.mark.parametrize(
    ("image", "word"), [("quay.io/a@sha256:" + "0" * 64, "tag"), ("quay.io:5000/a", "tag"), ("a/b:${KERNEL_FULL_VERSION}", "")]
)  # fmt: skip
def test_content_tag_needs_an_image_with_a_tag(fleet: FleetFolder, image: str, word: str) -> None:
    fleet.driver("nic", "contentTag: true\nbuild: {dockerfile: ./Dockerfile}")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(IMAGE, image))
    if word:
        assert any("IMG001" in line and ":9:19:" in line for line in errors(fleet))
    else:
        fleet.render()


def test_content_tag_without_anything_built_is_an_error(fleet: FleetFolder) -> None:
    fleet.driver("nic", "contentTag: true")
    assert "IMG001" in errors(fleet)[0]


def test_an_override_applies_to_its_clusters_only(fleet: FleetFolder) -> None:
    fleet.cluster("lab", labels={"tier": "edge", "site": "lab"})
    fleet.driver(
        "nic", "overrides:\n- clusters: {matchLabels: {site: lab}}\n  patch: {containerImage: 'registry.lab/nic:1.0'}"
    )
    fleet.render()
    images = [
        fleet.object(f"{name}/nic/module-nic.yaml")["spec"]["moduleLoader"]["container"]["containerImage"]
        for name in ("lab", "paris")
    ]
    assert images == ["registry.lab/nic:1.0", IMAGE]


def test_what_an_override_breaks_is_reported_at_the_override(fleet: FleetFolder) -> None:
    fleet.driver("nic", "overrides:\n- clusters: {names: [paris]}\n  patch: {selektor: {}, version: 2.10}")
    assert errors(fleet) == [
        "drivers/nic.yaml:14:13: error[SCH101] spec.overrides[0].patch.selektor: unknown field",
        "drivers/nic.yaml:14:36: error[SCH102] spec.overrides[0].patch.version: 2.10 is the number 2.1 to YAML",
    ]


def test_shared_objects_are_rendered_once_in_the_folder_of_the_cluster(fleet: FleetFolder) -> None:
    for name in ("nic", "gpu"):
        fleet.driver(name, "serviceAccountName: loader")
    fleet.render()
    assert [path for path in fleet.files() if "serviceaccount" in path] == ["paris/cluster/serviceaccount-loader.yaml"]
    assert len([path for path in fleet.files() if "namespace-kmm" in path]) == 1


ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: plugin}}\nrules: []\n"


def test_attached_objects_get_the_drivers_namespace_and_a_wave(fleet: FleetFolder) -> None:
    fleet.write("drivers/rbac.yaml", ROLE.format(kind="Role") + "---\n" + ROLE.format(kind="ClusterRole"))
    module(fleet, "attach: [./rbac.yaml]")
    role, cluster_role = fleet.object("paris/nic/role-plugin.yaml"), fleet.object("paris/nic/clusterrole-plugin.yaml")
    assert role["metadata"]["namespace"] == "kmm-tests"
    assert "namespace" not in cluster_role["metadata"]
    assert role["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] == "-15"


def test_two_drivers_that_attach_one_object_are_an_error_that_names_both(fleet: FleetFolder) -> None:
    for name in ("nic", "gpu"):
        fleet.write(f"drivers/{name}-rbac.yaml", ROLE.format(kind="Role"))
        fleet.driver(name, f"attach: [./{name}-rbac.yaml]")
    found = errors(fleet)
    assert len(found) == 1
    assert "REF005" in found[0]
    for name in ("nic", "gpu"):
        assert f"drivers/{name}.yaml (attached drivers/{name}-rbac.yaml:3)" in found[0]


def test_two_drivers_may_attach_one_file_with_accounts(fleet: FleetFolder) -> None:
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: plugin}\n"
    for name in ("nic", "gpu"):
        fleet.write("drivers/account.yaml", account)
        fleet.driver(name, "attach: [./account.yaml]")
    fleet.render()
    assert [path for path in fleet.files() if path.endswith("serviceaccount-plugin.yaml")] == [
        "paris/cluster/serviceaccount-plugin.yaml"
    ]


def test_an_attached_namespace_is_never_pruned_and_an_unknown_kind_lives_in_the_drivers_namespace(
    fleet: FleetFolder,
) -> None:
    monitor = "apiVersion: monitoring.example.com/v1\nkind: PodProbe\nmetadata: {name: plugin}\n"
    fleet.write("drivers/rbac.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: extra}\n---\n" + monitor)
    module(fleet, "attach: [./rbac.yaml]")
    annotations = fleet.object("paris/cluster/namespace-extra.yaml")["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    assert fleet.object("paris/nic/podprobe-plugin.yaml")["metadata"]["namespace"] == "kmm-tests"


def test_objects_that_differ_by_namespace_or_letter_case_get_files_of_their_own(fleet: FleetFolder) -> None:
    texts = [
        ROLE.format(kind="Role").replace("name: plugin", f"name: {name}, namespace: {space}")
        for name, space in (("a:b", "one"), ("A.B", "one"), ("a-b", "two"))
    ]
    fleet.write("drivers/rbac.yaml", "---\n".join(texts))
    module(fleet, "attach: [./rbac.yaml]")
    assert len([path for path in fleet.files() if "/role-" in path]) == 3


def test_an_absent_driver_is_not_rendered_but_its_cluster_keeps_the_policy(fleet: FleetFolder) -> None:
    fleet.driver("nic", "state: absent")
    fleet.render()
    assert set(fleet.files()) == {
        "paris/.index",
        "paris/cluster/configmap-kmodgate-policy.yaml",  # what unloads is still guarded
        "paris/cluster/namespace-kmodgate-system.yaml",
    }


@pytest.mark.parametrize(
    ("more", "rule", "words"),
    [
        ("build: {dockerfile: ./missing}", "REF003", "no such file"),
        ("build: {dockerfile: ../../outside}", "REF003", "outside the fleet"),
        ("build: {dockerfile: /etc/hostname}", "REF003", "not a relative path"),
        ("build: {dockerfile: ../drivers}", "REF003", "folder"),
        ("build: {dockerfile: ./empty}", "REF003", "empty"),
        ("attach: [./missing.yaml]", "REF003", "no such file"),
        ("attach: [./nic.yaml]", "SCH104", "a spec cannot be attached"),
        ("attach: [./list.txt]", "SCH103", "needs metadata.name"),
        ("overrides: [{clusters: {names: [pari]}, patch: {version: a}}]", "REF001", "there is no cluster pari"),
        ("overrides: [{clusters: {matchLabels: {a: b}}, patch: {version: a}}]", "REF002", "matches none"),
        ("overrides: [{clusters: {names: [paris]}, patch: {clusters: {}}}]", "SCH104", "may not change clusters"),
        ("overrides: [{clusters: {names: [paris]}, patch: {overrides: []}}]", "SCH104", "may not contain overrides"),
        ("delivery: daemonset", "SCH104", "is not one of kmm"),
        ("dra: {driverName: d, container: {image: a}}", "SCH106", "only on upstream's main branch"),
        ("build: {dockerfile: a, dockerfileConfigMap: b}", "SCH104", "not exactly one of dockerfile"),
        ('scc: "a\\nb"', "SCH104", "is not the name of Security"),
        ("version: a #\u2028  scc: evil", "SCH002", "U+2028"),
        ("registryTLS: {}\rscc: evil", "SCH002", "U+000D"),
        ("inTreeModulesToRemove: [" + "1," * 100_000 + "1]", "SCH102", "1 is the number 1"),
        ("selectro: {}", "SCH101", "unknown field"),
        ("version: 2.10", "SCH102", "2.10 is the number 2.1 to YAML"),
        ("removal: on", "SCH005", "boolean"),
        ("registryTLS:", "SCH102", "has no value"),
        ("version: a b", "SCH104", "is not a version"),
        ("overrides: [{clusters: {names: [paris]}, patch: {dvicePlugin: null}}]", "SCH101", "patch.dvicePlugin: unknown"),
        ("overrides: [{clusters: {names: [paris]}, patch: {modprobe: {arg: null}}}]", "SCH101", "modprobe.arg: unknown"),
        ("overrides: [{clusters: {names: [paris]}, patch: {kernelMappings: [{name: el9, regex: null}]}}]", "SCH101", "regex"),
        ("overrides: [{clusters: {names: [paris]}, patch: {modprobe: {rawArgs: {load: [a], unload: [b]}}}}]", "SCH104", "not exactly one of moduleName"),
        ("overrides: [{clusters: {names: [paris]}, patch: {modprobe: {moduleName: null, rawArgs: {load: [a]}}}}]", "SCH103", "unload"),
        (f"{TWO_ENV}overrides: [{{clusters: {{names: [paris]}}, patch: {{devicePlugin: {{container: {{env: [{{name: A, value: c}}]}}}}}}}}]", "SCH105", "'A' is the name of two"),
        ("overrides: [{clusters: {names: [paris]}, patch: {kernelMappings: [{name: x, literal: a}, {name: x, literal: b}]}}]", "SCH105", "'x' is the name of two"),
        ("build: {dockerfile: ./nul}", "REF003", "NUL"),
        ("build: {dockerfile: ./dangling}", "REF003", "link to nothing"),
        ("attach: [./module.yaml]", "SCH104", "a Module that no check has seen"),
        ("attach: [./label.yaml]", "SCH102", "metadata.labels.a: is not a string"),
        ("attach: [./label.yaml]", "SCH107", "b c= is not a valid label"),
        ("attach: [./data.yaml]", "SCH102", "data.a: is not a string"),
        ("attach: [./name.yaml]", "SCH104", "'A_b é' is not a valid name"),
        ("attach: [./upper.yaml]", "SCH104", "'X_Y' is not a valid name"),
        ("attach: [./space.yaml]", "SCH104", "a Namespace has no namespace"),
        ("attach: [./data.yaml, data.yaml]", "REF003", "is attached twice"),
        ("attach: [./data.yaml, ./data.yaml]", "SCH104", "an entry stands twice"),
        ("devicePlugin: {container: {image: a, resources: {requests: {memory: 0.5}}}}", "SCH102", "0.5 is a number to YAML"),
        ("overrides: [{clusters: {matchLabels: {}}, patch: {sign: {keySecret: k}}}]", "SCH103", "patch.sign.certSecret: missing"),
        ("overrides: [{clusters: {matchLabels: {}}, patch: {devicePlugin: {container: {env: []}}}}]", "SCH103", "patch.devicePlugin.container.image"),
        ("overrides: [{clusters: {matchLabels: {}}, patch: {kernelMappings: null}}]", "SCH103", "overrides[0].patch: modprobe: means nothing without kernelMappings"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_place(fleet: FleetFolder, more: str, rule: str, words: str) -> None:
    fleet.write("drivers/empty", "\n")
    fleet.write("drivers/list.txt", "apiVersion: v1\nkind: List\nitems: []\n")
    fleet.write("drivers/nul", "FROM a\0\n")
    (fleet.root / "drivers/dangling").symlink_to("nowhere")
    fleet.write("drivers/module.yaml", "apiVersion: kmm.sigs.x-k8s.io/v1beta1\nkind: Module\nmetadata: {name: a}\n")
    fleet.write("drivers/label.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {a: 1, b c: ''}}\n")
    fleet.write("drivers/data.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n")
    fleet.write("drivers/upper.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: X_Y}\n")
    fleet.write("drivers/space.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n")
    fleet.write("drivers/name.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_b é}\n")
    fleet.driver("nic", more)
    line = next(line for line in errors(fleet) if f"error[{rule}]" in line and words in line)
    place = line.split(": error[")[0]
    assert place.startswith("drivers/")
    assert place.count(":") == 2


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        ("apiVersion: kmodgate.io/v1alpha1\nkind: Clutser\n", "SCH104", "not a kind of spec"),
        ("apiVersion: kmodgate.io/v2\nkind: Cluster\nmetadata: {name: a}\nspec: {platform: kubernetes}\n", "SCH104", "kmodgate.io/v2"),
        ("kind: KernelDriver\nmetadata: {name: a}\n", "SCH103", "apiVersion"),
        ("kind: Cluster\nmetadata: {name: a}\n", "SCH103", "apiVersion"),
        ("apiVersion: kmodgate.io\nkind: Cluster\nmetadata: {name: a}\n", "SCH104", "is not kmodgate.io/v1alpha1"),
        ("apiVersion: kmodgates.io/v1alpha1\nkind: Cluster\nmetadata: {name: a}\n", "SCH104", "is not kmodgate.io/v1alpha1"),
        ("apiVersion: example.com/v1\nkind: KernelDriver\nmetadata: {name: a}\n", "SCH104", "is not kmodgate.io/v1alpha1"),
        ("", "SCH006", "empty"),
        ("# apiVersion: kmodgate.io/v1alpha1\n", "SCH006", "no document"),
        ("apiVersion: kmodgate.io/v1alpha1\n\tkind: Cluster\n", "SCH002", "tab"),
        ("- apiVersion: kmodgate.io/v1alpha1\n", "SCH102", "not a map"),
        ("apiVersion: &a kmodgate.io/v1alpha1\nkind: Cluster\n", "SCH004", "the anchor &a"),
        ("apiVersion: !!str kmodgate.io/v1alpha1\nkind: Cluster\n", "SCH004", "the tag"),
        ("apiVersion: >-\n  kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {name: a}\n", "SCH103", "spec: missing"),
        ("apiVersion: # ours\n  kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {name: a}\n", "SCH103", "spec: missing"),
        (CLUSTER + "  kmm: {version: 2.6.foo}\n", "SCH104", "is not a version of KMM"),
        (CLUSTER + "  topology: sno\n  nodeGroups: [{name: a, count: 3}]\n", "SCH104", "sno is a single node, and these are 3"),
        (CLUSTER + "  nodeGroups: [{name: a, labels: {a b: c}}]\n", "SCH104", '"a b" is not a label key'),
        (CLUSTER + "  nodeGroups: [{name: a, labels: {a: b c}}]\n", "SCH104", '"b c" is not a label value'),
        (CLUSTER + "  kmm:\n", "SCH102", "has no value"),
        (CLUSTER + "  nextKernels: [a]\n  nextKernels: [a]\n  nextKernels: [a]\n", "SCH003", "first on line 6"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_spec_is_reported(fleet: FleetFolder, text: str, rule: str, words: str) -> None:
    fleet.driver("nic")
    fleet.write("clusters/zz.yaml", text)
    assert any(line.startswith("clusters/zz.yaml") and f"[{rule}]" in line and words in line for line in errors(fleet))


def test_bytes_that_are_not_utf_8_folders_and_links_are_reported(fleet: FleetFolder, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.yaml"
    outside.write_text("apiVersion: kmodgate.io/v1alpha1\n")
    fleet.driver("nic")
    (fleet.root / "clusters/latin.yaml").write_bytes(b"# caf\xe9\n")
    (fleet.root / "clusters/wide.yaml").write_bytes("a: b".encode("utf-16"))
    (fleet.root / "clusters/folder.yaml").mkdir()
    (fleet.root / "clusters/link.yaml").symlink_to(outside)
    (fleet.root / "clusters/links").symlink_to(outside.parent)
    (fleet.root / ".hidden").mkdir()
    (fleet.root / "clusters/hidden").symlink_to("../.hidden")
    (fleet.root / "clusters/dangling.yaml").symlink_to("nowhere")
    (fleet.root / os.fsdecode(b"clusters/\xff.yaml")).touch()
    (fleet.root / "clusters/large.yaml").write_bytes(b"#" * (2 << 20))
    found = "\n".join(errors(fleet))
    for name in (
        "latin.yaml",
        "wide.yaml",
        "folder.yaml",
        "link.yaml",
        "links",
        "hidden",
        "dangling.yaml",
        "large.yaml",
        "\\udcff.yaml",
    ):
        assert f"clusters/{name}: error[SCH001]" in found


def test_the_errors_of_one_spec_are_reported_in_one_run(fleet: FleetFolder) -> None:
    fleet.driver(
        "nic",
        "build: {dockerfile: ./no}\nattach: [./nope.yaml]\nregistryTLS: {insecure: false}\noverrides:\n"
        "- {clusters: {matchLabels: {site: none}}, patch: {version: a}}\n"
        "- {clusters: {matchLabels: {tier: edge}}, patch: {modprobe: {arg: 1}}}",
    )
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(r"^5\.14\..+$", "^(5").replace(":1.0-${KERNEL_FULL_VERSION}", ""))
    rules = {line.split("error[")[1][:6] for line in errors(fleet)}
    assert rules == {"REF002", "REF003", "SCH101", "KMM203", "KMM205", "MAP205"}


def test_an_ambiguous_value_is_one_error_with_one_fix(fleet: FleetFolder) -> None:
    fleet.driver("nic", "contentTag: yes")
    assert [line.split(": error")[1][:9] for line in errors(fleet)] == ["[SCH005] "]


def test_an_unknown_version_of_kmm_is_the_only_error(fleet: FleetFolder) -> None:
    fleet.cluster("paris", kmm="2.7")
    fleet.driver("nic")
    assert ["SCH104" in line for line in errors(fleet)] == [True]


def test_what_null_empties_is_not_rendered(fleet: FleetFolder) -> None:
    more = "registryTLS: {insecure: true}\noverrides: [{clusters: {matchLabels: {}}, patch: {registryTLS: {insecure: null}}}]"
    assert "registryTLS" not in container(fleet, more)


def test_the_default_account_is_named_and_nothing_is_rendered_for_it(fleet: FleetFolder) -> None:
    fleet.cluster("paris", platform="openshift")
    assert module(fleet, "serviceAccountName: default")["spec"]["moduleLoader"]["serviceAccountName"] == "default"
    assert not [path for path in fleet.files() if "serviceaccount" in path or "rolebinding" in path]


@pytest.mark.parametrize("key", ["argocd.argoproj.io/instance", "app.kubernetes.io/managed-by"])
def test_labels_that_belong_to_others_are_refused(fleet: FleetFolder, key: str) -> None:
    fleet.driver("nic")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("{name: nic}", f"{{name: nic, labels: {{{key}: a}}}}", 1))
    assert f"metadata.labels[{key}]" in errors(fleet)[0]


def test_an_inventory_with_a_node_twice_is_refused(fleet: FleetFolder) -> None:
    with pytest.raises(Unreadable, match="holds the node n twice"):
        nodes.read_nodes(b'{"items": [%s, %s]}' % ((b'{"kind": "Node", "metadata": {"name": "n"}}',) * 2))


def test_the_errors_of_all_files_are_reported_in_one_run(fleet: FleetFolder) -> None:
    fleet.driver("nic", "version: 2.10")
    fleet.driver("gpu", "build: {dockerfile: ./missing}")
    fleet.write("clusters/zz.yaml", "apiVersion: kmodgate.io/v1alpha1\n\tkind: Cluster\n")
    assert [line.split(" error")[0] for line in errors(fleet)] == [
        "clusters/zz.yaml:2:1:",
        "drivers/gpu.yaml:12:23:",
        "drivers/nic.yaml:12:12:",
    ]


def test_a_broken_cluster_spec_does_not_make_selectors_wrong(fleet: FleetFolder) -> None:
    fleet.write(
        "clusters/lab.yaml", "apiVersion: kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {name: lab}\nspec: {}\n"
    )
    fleet.driver("nic", clusters="{names: [lab]}")
    assert [line for line in errors(fleet) if "REF001" in line] == []


def test_two_specs_of_one_name_are_an_error_that_names_both(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    fleet.write("other/nic.yaml", (fleet.root / "drivers/nic.yaml").read_text())
    assert (
        "other/nic.yaml:3:18: error[REF004] metadata.name: KernelDriver nic is also defined in drivers/nic.yaml:3"
        in errors(fleet)[0]
    )


def test_other_yaml_beside_the_specs_is_left_alone(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    fleet.write("charts/template.yaml", "{{ if x }}\nkind: &a\n")
    fleet.write("values.yml", "on: yes # of kmodgate.io\n")
    fleet.write("app.yaml", "apiVersion: &v v1\nkind: ConfigMap\ndata: {url: https://kmodgate.io, a: *v}\n")
    fleet.write(".hidden/spec.yaml", "apiVersion: kmodgate.io/v1alpha1\nkind: Nothing\n")
    fleet.render()


def test_a_cluster_without_kmm_and_one_with_an_unknown_version_are_reported(fleet: FleetFolder) -> None:
    path = fleet.cluster("old", kmm="9.9")
    path = fleet.cluster("none")
    path.write_text(path.read_text().replace('  kmm: {version: "2.6", flavour: upstream}\n', ""))
    fleet.driver("nic")
    found = "\n".join(errors(fleet))
    assert "clusters/old.yaml:6:18: error[SCH104] spec.kmm.version: 9.9 is not a version" in found
    assert "REF006" in found
    assert "cluster none has no KMM" in found


@pytest.mark.parametrize(
    ("expression", "clusters"),
    [
        ("{key: site, operator: In, values: [lab]}", {"lab"}), ("{key: site, operator: NotIn, values: [lab]}", {"paris"}),
        ("{key: site, operator: Exists}", {"lab"}), ("{key: site, operator: DoesNotExist}", {"paris"}),
    ],
)  # fmt: skip
def test_label_expressions_select_as_kubernetes_does(fleet: FleetFolder, expression: str, clusters: set[str]) -> None:
    fleet.cluster("lab", labels={"site": "lab"})
    fleet.driver("nic", clusters=f"{{matchExpressions: [{expression}]}}")
    fleet.render()
    assert {path.split("/")[0] for path in fleet.files()} == clusters


def test_a_link_to_a_folder_that_is_searched_anyway_is_passed_over(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    (fleet.root / "more").symlink_to("drivers")
    fleet.render()


def test_a_file_in_a_folder_that_leads_out_of_the_fleet_is_not_read(
    fleet: FleetFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "Dockerfile").write_text("FROM secret:1\n")
    (fleet.root / "drivers/.link").symlink_to(outside)
    fleet.driver("nic", "build: {dockerfile: ./.link/Dockerfile}")
    assert "leads out of the fleet through a symbolic link" in errors(fleet)[0]


def test_an_inventory_is_read_with_labels_taints_and_kernels(fleet: FleetFolder) -> None:
    taint = {"key": "a", "value": "b", "effect": "NoSchedule"}
    info = {"kernelVersion": "5.14.0", "architecture": "arm64"}
    node = {"kind": "Node", "metadata": {"name": "n", "labels": {"l": "m"}}, "spec": {"taints": [taint]}}
    data = json.dumps({"items": [{**node, "status": {"nodeInfo": info}}]}).encode()
    assert nodes.read_nodes(data) == (
        NodeGroup("n", 1, {"l": "m"}, (Taint("a", "b", "NoSchedule"),), (KernelVersion("5.14.0"),), "arm64", False),
    )


def test_an_inventory_may_be_larger_than_a_spec_and_not_endless(
    fleet: FleetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fleet.cluster("paris")
    path.write_text(path.read_text().split("  nodeGroups")[0] + "  inventory: ./nodes.json\n")
    fleet.driver("nic")
    fleet.write("clusters/nodes.json", '{"items": []}' + " " * (2 << 20))
    fleet.render()
    assert nodes.MAX_BYTES == 64 << 20
    monkeypatch.setattr(nodes, "MAX_BYTES", 1 << 20)
    findings: list[Finding] = []
    load_fleet(fleet.root, fleet.root / "rendered", findings)
    assert [finding.message for finding in findings] == ["./nodes.json is larger than 1 MiB"]


def test_an_inventory_that_is_none_is_reported_at_the_cluster(fleet: FleetFolder) -> None:
    path = fleet.cluster("paris")
    text = path.read_text().split("  nodeGroups")[0] + "  inventory: ./nodes.json\n"
    path.write_text(text)
    fleet.driver("nic")
    for content, words in (
        ("{", "not JSON"),
        ("[]", "not a list of nodes"),
        ('{"items": [{}]}', "items[0] is not a Node"),
    ):
        fleet.write("clusters/nodes.json", content)
        assert words in errors(fleet)[0]
