"""Mistakes in a spec: each is one error with its place and its fix."""

from __future__ import annotations

import pytest

from tests.fleets import FleetFolder
from tests.renderer.rendering import errors

TWO_ENV = "devicePlugin: {container: {image: a:1, env: [{name: A, value: a}, {name: A, value: b}]}}\n"


def test_what_an_override_breaks_is_reported_at_the_override(fleet: FleetFolder) -> None:
    fleet.driver("nic", "overrides:\n- clusters: {names: [paris]}\n  patch: {selektor: {}, version: 2.10}")
    assert errors(fleet) == [
        "drivers/nic.yaml:14:13: error[SCH101] spec.overrides[0].patch.selektor: unknown field",
        "drivers/nic.yaml:14:36: error[SCH102] spec.overrides[0].patch.version: 2.10 is the number 2.1 to YAML",
    ]


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
        ("delivery: daemon", "SCH104", "is not one of kmm"),
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
    assert rules == {"REF002", "REF003", "SCH101", "KMM203", "KMM205"}


def test_an_ambiguous_value_is_one_error_with_one_fix(fleet: FleetFolder) -> None:
    fleet.driver("nic", "contentTag: yes")
    assert [line.split(": error")[1][:9] for line in errors(fleet)] == ["[SCH005] "]


def test_an_unknown_version_of_kmm_is_the_only_error(fleet: FleetFolder) -> None:
    fleet.cluster("paris", kmm="2.7")
    fleet.driver("nic")
    assert ["SCH104" in line for line in errors(fleet)] == [True]


@pytest.mark.parametrize("key", ["argocd.argoproj.io/instance", "app.kubernetes.io/managed-by"])
def test_labels_that_belong_to_others_are_refused(fleet: FleetFolder, key: str) -> None:
    fleet.driver("nic")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("{name: nic}", f"{{name: nic, labels: {{{key}: a}}}}", 1))
    assert f"metadata.labels[{key}]" in errors(fleet)[0]


def test_a_cluster_without_kmm_and_one_with_an_unknown_version_are_reported(fleet: FleetFolder) -> None:
    path = fleet.cluster("old", kmm="9.9")
    path = fleet.cluster("none")
    path.write_text(path.read_text().replace('  kmm: {version: "2.6", flavour: upstream}\n', ""))
    fleet.driver("nic")
    found = "\n".join(errors(fleet))
    assert "clusters/old.yaml:6:18: error[SCH104] spec.kmm.version: 9.9 is not a version" in found
    assert "REF006" in found
    assert "cluster none has no KMM" in found
