"""What a driver that DaemonSets load may not say, and clusters on which it cannot be loaded so."""

from __future__ import annotations

import pytest

from tests.renderer.deliveries.daemonset.fleets import KERNEL, OTHER, PlainFleet

LONG = f"5.14.0-503.11.1.el9_5.{'x' * 50}.x86_64"


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ("build: {dockerfile: ./D}", "spec.build", "give a prebuilt image (containerImage) and remove this"),
        ("sign: {keySecret: a, certSecret: b, filesToSign: [/opt/a]}", "spec.sign", "sign: {prebuilt: true}"),
        ("version: v1", "spec.version", "KMM's ordered upgrade"),
        ("contentTag: true", "spec.contentTag", "a setting of KMM"),
        ("registryTLS: {insecure: true}", "spec.registryTLS", "configure the registry on the nodes"),
        ("imageRebuildTriggerGeneration: 1", "spec.imageRebuildTriggerGeneration", "a setting of KMM"),
        ("daemonset: {volumes: [{name: a, emptyDir: {}}, {name: a}]}", "spec.daemonset.volumes[1].name", "a volume 'a'"),
        ("daemonset: {volumeMounts: [{name: b, mountPath: /b}]}", "spec.daemonset.volumeMounts[0].name", "no volume 'b'"),
        ("serviceAccountName: default", "spec.serviceAccountName", "of all pods of the namespace"),
        ("serviceAccountName: ''", "spec.serviceAccountName", "one of their own"),
        ("dra: {driverName: a.b, container: {image: 'a:1'}}", "spec.dra", "is run by KMM"),
        ("daemonset: {maxUnavailable: 2}", "spec.daemonset.maxUnavailable", "updateStrategy: RollingUpdate"),
        ("daemonset: {updateStrategy: RollingUpdate, maxUnavailable: 0}", "spec.daemonset.maxUnavailable", "1 or more"),
        ("daemonset: {kernelLabel: 'a b'}", "spec.daemonset.kernelLabel", "not a label key"),
        ("daemonset: {seperate: true}", "spec.daemonset.seperate", "separate"),
        ("daemonset: [a]", "spec.daemonset", "map"),
        ("daemonset: {env: [{name: KMODGATE_DIR, value: a}]}", "spec.daemonset.env[0].name", "the script"),
        ("daemonset: {volumes: [{name: script, emptyDir: {}}]}", "spec.daemonset.volumes[0].name", "a volume 'script'"),
        ("daemonset: {separate: true}", "spec.daemonset.separate", "the driver has none"),
        ("daemonset: {firmwareHostPath: /lib/fw}", "spec.daemonset.firmwareHostPath", "no firmwarePath"),
        (
            "daemonset: {volumes: [{name: a, emptyDir: {}, hostPath: {path: /a}}]}",
            "spec.daemonset.volumes[0].hostPath", "a volume of its own",
        ),
        ("daemonset: {volumes: [{name: A_1, emptyDir: {}}]}", "spec.daemonset.volumes[0].name", "write a-1"),
        (
            "daemonset: {resources: {requests: {cpu: 2}, limits: {cpu: 1500m}}}",
            "spec.daemonset.resources.requests.cpu", "more than the limit, 1500m",
        ),
        (
            "daemonset: {volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /kmodgate/}]}",
            "spec.daemonset.volumeMounts[0].mountPath", "mount it at another path",
        ),
        (
            "daemonset: {volumes: [{name: a}], volumeMounts: [{name: a, mountPath: /a}, {name: a, mountPath: /a}]}",
            "spec.daemonset.volumeMounts[1].mountPath", "at /a already",
        ),
        ("daemonset: {env: [{name: A, value: b}, {name: A, value: c}]}", "spec.daemonset.env[1].name", "keep one"),
        (
            "daemonset: {securityContext: {privileged: true, allowPrivilegeEscalation: false}}",
            "spec.daemonset.securityContext.allowPrivilegeEscalation", "remove it",
        ),
        (
            "daemonset: {securityContext: {windowsOptions: {hostProcess: true}}}",
            "spec.daemonset.securityContext.windowsOptions", "remove it",
        ),
        (
            "daemonset: {securityContext: {procMount: Unmasked}}",
            "spec.daemonset.securityContext.procMount", "remove it",
        ),
        (
            "daemonset: {securityContext: {seccompProfile: {type: Localhost}}}",
            "spec.daemonset.securityContext.seccompProfile", "localhostProfile",
        ),
        (
            "daemonset: {securityContext: {appArmorProfile: {type: Odd}}}",
            "spec.daemonset.securityContext.appArmorProfile.type", "RuntimeDefault, Unconfined",
        ),
        (
            "overrides: [{clusters: {matchLabels: {}}, patch: {kernelMappings: [{name: el9, regexp: '^5(14'}]}}]",
            "spec.overrides[0].patch.kernelMappings[0].regexp", "missing )",
        ),
        ("daemonset: {priorityClassName: A b}", "spec.daemonset.priorityClassName", "not the name of a PriorityClass"),
        (
            "daemonset: {kernelLabel: node-role.kubernetes.io/worker}",
            "spec.selector[node-role.kubernetes.io/worker]", "remove it here",
        ),
        (
            "overrides: [{clusters: {matchLabels: {}}, patch: {modprobe: {firmwarePath: /f}}}]\n"
            "daemonset: {securityContext: {privileged: false}}",
            "spec.daemonset.securityContext.privileged", "remove privileged",
        ),
        (
            "daemonset: {securityContext: {runAsUser: 1000}}",
            "spec.daemonset.securityContext.runAsUser", "remove runAsUser",
        ),
        (
            "daemonset: {securityContext: {runAsNonRoot: true}}",
            "spec.daemonset.securityContext.runAsNonRoot", "only root",
        ),
        (
            "devicePlugin: {container: {image: 'a:1'}, serviceAccountName: x}",
            "spec.devicePlugin.serviceAccountName", "daemonset: {separate: true}",
        ),
        (
            "devicePlugin: {container: {image: 'a:1'}, volumes: [{name: state, emptyDir: {}}]}",
            "spec.devicePlugin.volumes[0].name", "a volume 'state'",
        ),
    ],
)  # fmt: skip
def test_a_field_that_daemonsets_do_not_know_is_refused_with_a_way_out(
    fleet: PlainFleet, more: str, field: str, words: str
) -> None:
    fleet.write("drivers/D", "FROM a:1\n")
    fleet.nic(more)
    result = fleet.run("render")
    assert result.returncode == 2, result.stdout
    assert f" {field}: " in result.stderr
    assert words in result.stderr
    assert "drivers/nic.yaml:" in result.stderr


def test_options_of_daemonsets_are_refused_beside_kmm(fleet: PlainFleet) -> None:
    fleet.cluster("paris")
    fleet.nic("daemonset: {separate: true}", delivery="kmm")
    [error] = fleet.errors()
    assert "spec.daemonset: is for drivers that DaemonSets load" in error


@pytest.mark.parametrize("delivery", ["DaemonSet", "[daemonset, kmm]"])
def test_a_delivery_that_is_none_is_told_once(fleet: PlainFleet, delivery: str) -> None:
    fleet.nic(delivery=delivery)
    [error] = fleet.errors()
    assert "error[SCH104] spec.delivery" in error


def test_a_driver_with_nothing_to_load_is_refused(fleet: PlainFleet) -> None:
    fleet.write(
        "drivers/nic.yaml",
        "apiVersion: kmodgate.io/v1alpha1\nkind: KernelDriver\nmetadata: {name: nic}\nspec:\n  delivery: daemonset\n"
        "  clusters: {matchLabels: {}}\n  namespace: {name: a}\n  selector: {}\n"
        "  devicePlugin: {container: {image: 'a:1'}}\n",
    )
    assert any("modprobe" in line for line in fleet.errors())


def test_a_cluster_whose_kernels_nobody_knows_is_an_error(fleet: PlainFleet) -> None:
    fleet.nodes([])
    fleet.nic()
    [error] = fleet.errors()
    assert "error[REF010] spec.clusters" in error
    assert "cluster paris names no kernel" in error


def test_a_selector_that_names_no_nodes_is_an_error(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL], labels={"other": "label"})
    fleet.nic()
    [error] = fleet.errors()
    assert "error[REF010] spec.selector" in error
    assert "give a node group of clusters/paris.yaml these labels" in fleet.run("render").stderr


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ("containerImage: null", "error[KMM204] spec.kernelMappings[0]"),
        ("tolerations: [{key: a, operator: Exists, value: b}]", "error[KMM302] spec.overrides[0].patch.tolerations"),
        ("tolerations: [{key: a, operator: Exists, effect: NoSchedul}]", "error[KMM304]"),
        ("tolerations: [{operator: Equal}]", "error[KMM301]"),
        ("modprobe: {modulesLoadingOrder: [other_module, nic]}", "error[KMM403]"),
    ],
)
def test_what_no_delivery_can_load_is_refused(fleet: PlainFleet, patch: str, words: str) -> None:
    fleet.nic(f"overrides: [{{clusters: {{matchLabels: {{}}}}, patch: {{{patch}}}}}]")
    result = fleet.run("render")
    assert result.returncode == 1, result.stdout
    assert words in result.stderr


def test_an_image_without_a_tag_is_a_warning(fleet: PlainFleet) -> None:
    fleet.daemon_set("overrides: [{clusters: {matchLabels: {}}, patch: {containerImage: quay.io/acme/nic}}]")
    assert (
        "warning[IMG106] spec.overrides[0].patch.containerImage: quay.io/acme/nic has neither"
        in fleet.run("check").stdout
    )


def test_kernels_that_no_mapping_takes_are_an_error_where_none_is_left_and_else_a_warning(fleet: PlainFleet) -> None:
    fleet.nodes(["4.18.0-1.el8.x86_64"])
    fleet.nic()
    [error] = fleet.errors()
    assert "no mapping takes kernel 4.18.0-1.el8.x86_64 of cluster paris" in error
    fleet.nodes(["4.18.0-1.el8.x86_64", KERNEL])
    assert len(fleet.daemon_sets()) == 1
    assert "warning[REF010]" in fleet.run("check").stdout


def test_windows_nodes_get_no_daemon_set_and_are_not_told(fleet: PlainFleet) -> None:
    labels = {"node-role.kubernetes.io/worker": ""}
    windows = {**labels, "kubernetes.io/os": "windows"}
    fleet.groups(
        {"name": "a", "count": 2, "labels": labels, "kernels": [KERNEL]},
        {"name": "b", "count": 2, "labels": windows, "kernels": ["10.0.20348.1"]},
    )
    assert len(fleet.daemon_sets()) == 1
    assert "REF010" not in fleet.run("check").stdout


def test_nodes_whose_kernel_nobody_names_are_named_beside_others(fleet: PlainFleet) -> None:
    labels = {"node-role.kubernetes.io/worker": ""}
    known = {"name": "known", "count": 2, "labels": labels, "kernels": [KERNEL]}
    fleet.groups(known, {"name": "x", "count": 3, "labels": labels}, {"name": "other", "count": 3})
    fleet.nic()
    assert "1 warning" in fleet.run("render").stderr
    [line] = [line for line in fleet.run("check").stdout.splitlines() if "REF010" in line]
    assert line.startswith("clusters/paris.yaml:")
    assert "warning[REF010] spec.nodeGroups[1]: no kernel is named of x (3 nodes)" in line
    result = fleet.run("plan")
    assert "No kernels are known of paris (x, other)" in result.stdout
    assert "the kernels of paris (x, other) are not known" in result.stderr


@pytest.mark.parametrize(
    ("kernel", "why"), [(f"{OTHER}+rt", "holds +, which no label can hold"), (LONG, "characters, and the value")]
)
def test_a_kernel_that_no_label_can_name_needs_a_label_of_the_fleets_own(
    fleet: PlainFleet, kernel: str, why: str
) -> None:
    fleet.nodes([kernel])
    fleet.nic()
    [error] = fleet.errors()
    assert "error[REF011] spec.delivery" in error
    assert why in error
    found = fleet.daemon_set("daemonset: {kernelLabel: acme.com/kernel}")
    value = found["spec"]["template"]["spec"]["nodeSelector"]["acme.com/kernel"]
    assert len(value) <= 63
    assert "+" not in value


def test_two_kernels_with_one_label_are_an_error(fleet: PlainFleet) -> None:
    fleet.nodes([f"{OTHER}+rt", f"{OTHER}_rt"])
    fleet.nic("daemonset: {kernelLabel: acme.com/kernel}")
    [error] = fleet.errors()
    assert "have the same label acme.com/kernel" in error
