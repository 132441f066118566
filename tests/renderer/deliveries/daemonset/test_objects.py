"""The objects of a driver that DaemonSets load."""

from __future__ import annotations

import pytest
import yaml

from tests.renderer.deliveries.daemonset.fleets import KERNEL, NEXT, OTHER, PlainFleet, env_of

NFD = "feature.node.kubernetes.io/kernel-version.full"


def test_each_kernel_that_nodes_run_or_get_has_a_daemonset_of_its_own(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL, OTHER], (NEXT,))
    found = fleet.daemon_sets()
    selectors = [item["spec"]["template"]["spec"]["nodeSelector"] for item in found]
    assert selectors == [{"node-role.kubernetes.io/worker": "", NFD: kernel} for kernel in (KERNEL, OTHER, NEXT)]
    images = [item["spec"]["template"]["spec"]["containers"][0]["image"] for item in found]
    assert images == [f"quay.io/acme/nic:1.0-{kernel}" for kernel in (KERNEL, OTHER, NEXT)]


def test_names_are_short_and_depend_on_driver_and_kernel_alone(fleet: PlainFleet) -> None:
    name = fleet.daemon_set()["metadata"]["name"]
    assert name == "nic-5-14-0-427-13-1-el9-4-x86-64-" + name[-6:]
    fleet.nodes([KERNEL, OTHER])
    names = [item["metadata"]["name"] for item in fleet.daemon_sets("tolerations: [{operator: Exists}]")]
    assert name in names
    assert all(len(item) <= 63 for item in names)


def test_the_selector_of_a_daemonset_never_changes(fleet: PlainFleet) -> None:
    found = fleet.daemon_set("serviceAccountName: loader")
    labels = found["spec"]["template"]["metadata"]["labels"]
    assert found["spec"]["selector"]["matchLabels"] == {"kmodgate.io/daemonset": found["metadata"]["name"]}
    assert labels["kmodgate.io/daemonset"] == found["metadata"]["name"]


def test_nodes_that_the_selector_does_not_name_count_for_nothing(fleet: PlainFleet) -> None:
    worker = {"name": "w", "labels": {"node-role.kubernetes.io/worker": ""}, "kernels": [KERNEL]}
    fleet.groups(worker, {"name": "control", "labels": {}, "kernels": [OTHER]})
    assert fleet.daemon_set()["metadata"]["annotations"]["kmodgate.io/kernel"] == KERNEL


def test_a_next_kernel_of_another_architecture_is_left_out(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL], ("5.14.0-570.12.1.el9_6.aarch64",))
    assert fleet.daemon_set()["metadata"]["annotations"]["kmodgate.io/kernel"] == KERNEL


def test_the_pods_have_the_right_to_load_modules_and_no_other(fleet: PlainFleet) -> None:
    pod = fleet.pod()
    [load], [hold] = pod["initContainers"], pod["containers"]
    for container in (load, hold):
        security = container["securityContext"]
        assert security["capabilities"] == {"add": ["SYS_MODULE"], "drop": ["ALL"]}
        assert (security["runAsUser"], security["seLinuxOptions"]) == (0, {"type": "spc_t"})
        assert security["readOnlyRootFilesystem"] is True
        assert "privileged" not in security
        mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
        assert mounts["lib-modules"]["readOnly"] is mounts["script"]["readOnly"] is True
    assert not {"hostPID", "hostNetwork", "hostIPC"} & set(pod)
    assert pod["automountServiceAccountToken"] is False
    assert hold["lifecycle"]["preStop"]["exec"]["command"][-1] == "unload"
    assert hold["readinessProbe"]["exec"]["command"][-1] == "ready"


def test_only_loading_with_firmware_is_privileged(fleet: PlainFleet) -> None:
    pod = fleet.pod(
        "modprobe: {moduleName: nic, firmwarePath: /fw}".replace(
            "modprobe", "overrides: [{clusters: {matchLabels: {}}, patch: {modprobe"
        )
        + "}}]"
    )
    [load], [hold] = pod["initContainers"], pod["containers"]
    assert load["securityContext"]["privileged"] is True
    assert "allowPrivilegeEscalation" not in load["securityContext"]
    assert "privileged" not in hold["securityContext"]
    assert {"name": "firmware", "hostPath": {"path": "/var/lib/firmware", "type": "DirectoryOrCreate"}} in pod[
        "volumes"
    ]
    assert env_of(load)["FIRMWARE"] == "/fw"


def test_what_modprobe_gets_is_in_the_environment_one_item_a_line(fleet: PlainFleet) -> None:
    modprobe = {
        "moduleName": "nic", "dirName": "/kmods", "parameters": ["a=1 2", "b=$(HOME)"],
        "args": {"load": ["-v"], "unload": ["-v", "-q"]}, "modulesLoadingOrder": ["nic", "nic_core"],
    }  # fmt: skip
    patch = {
        "clusters": {"matchLabels": {}},
        "patch": {"modprobe": modprobe, "inTreeModulesToRemove": ["ice", "irdma"]},
    }
    env = env_of(fleet.pod(yaml.safe_dump({"overrides": [patch]}))["initContainers"][0])
    assert env["PARAMETERS"] == "a=1 2\nb=$$(HOME)"
    assert (env["LOAD_ARGS"], env["UNLOAD_ARGS"]) == ("-v", "-v\n-q")
    assert (env["MODULES"], env["REMOVE"], env["DIR"]) == ("nic\nnic_core", "ice\nirdma", "/kmods")


def test_a_mapping_replaces_image_and_removals(fleet: PlainFleet) -> None:
    mapping = {"name": "one", "literal": KERNEL, "containerImage": "a/b:1", "inTreeModulesToRemove": ["ice"]}
    more = {"overrides": [{"clusters": {"matchLabels": {}}, "patch": {"kernelMappings": [mapping]}}]}
    load = fleet.pod(yaml.safe_dump(more))["initContainers"][0]
    assert (load["image"], env_of(load)["REMOVE"]) == ("a/b:1", "ice")


def test_modules_at_the_root_of_the_image_are_not_hidden_by_the_nodes(fleet: PlainFleet) -> None:
    patch = "overrides: [{clusters: {matchLabels: {}}, patch: {modprobe: {dirName: /}}}]"
    assert "lib-modules" not in {volume["name"] for volume in fleet.pod(patch)["volumes"]}


@pytest.mark.parametrize(
    ("options", "strategy"),
    [
        ("", {"type": "OnDelete"}),
        ("daemonset: {updateStrategy: RollingUpdate}", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}),
        (
            "daemonset: {updateStrategy: RollingUpdate, maxUnavailable: 25%}",
            {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%"}},
        ),
    ],
)  # fmt: skip
def test_a_node_changes_when_its_pod_is_deleted_unless_a_rolling_update_is_asked_for(
    fleet: PlainFleet, options: str, strategy: object
) -> None:
    assert fleet.daemon_set(options)["spec"]["updateStrategy"] == strategy


def test_a_device_plugin_is_a_container_of_the_same_pod(fleet: PlainFleet) -> None:
    plugin = {
        "container": {"image": "a/p:1", "env": [{"name": "A", "value": "b"}]},
        "volumes": [{"name": "dev", "hostPath": {"path": "/dev"}}],
    }
    pod = fleet.pod(yaml.safe_dump({"devicePlugin": plugin}))
    assert [item["name"] for item in pod["containers"]] == ["kernel-module", "device-plugin"]
    own = pod["containers"][1]
    assert own["securityContext"] == {"privileged": True}
    assert own["volumeMounts"] == [{"name": "kubelet-device-plugins", "mountPath": "/var/lib/kubelet/device-plugins"}]
    assert pod["volumes"][-1]["name"] == "dev"
    assert not [path for path in fleet.files() if "device-plugin" in path]


def test_a_separate_device_plugin_waits_for_the_module_without_rights(fleet: PlainFleet) -> None:
    more = "devicePlugin: {container: {image: 'a/p:1'}}\ndaemonset: {separate: true}"
    loader, plugin = fleet.daemon_sets(more)
    assert plugin["metadata"]["name"].startswith("nic-device-plugin-5-14-0")
    assert "kmodgate.io/driver" not in plugin["metadata"]["labels"]  # the driver stays when the plugin goes
    assert plugin["metadata"]["labels"]["kmodgate.io/device-plugin"] == "nic"  # by which its account is protected
    assert loader["metadata"]["labels"]["kmodgate.io/driver"] == "nic"
    pod = plugin["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "nic-device-plugin"
    [wait] = pod["initContainers"]
    assert wait["command"][-1] == "wait"
    assert wait["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert len(loader["spec"]["template"]["spec"]["containers"]) == 1


def test_openshift_gets_an_scc_binding_and_a_pull_secret_is_named(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL], platform="openshift")
    pod = fleet.pod("imageRepoSecret: robot\nimagePullPolicy: Always")
    assert pod["imagePullSecrets"] == [{"name": "robot"}]
    assert pod["containers"][0]["imagePullPolicy"] == "Always"
    binding = fleet.object("paris/nic/rolebinding-nic-scc-privileged.yaml")
    assert binding["subjects"][0]["name"] == pod["serviceAccountName"] == "nic"
    labels = fleet.object("paris/cluster/namespace-kmm-tests.yaml")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"


def test_what_the_spec_adds_comes_after_ours(fleet: PlainFleet) -> None:
    options = {
        "env": [{"name": "TZ", "value": "UTC"}], "resources": {"limits": {"memory": "64Mi"}},
        "volumes": [{"name": "conf", "configMap": {"name": "c"}}], "volumeMounts": [{"name": "conf", "mountPath": "/c"}],
        "securityContext": {"capabilities": {"add": ["SYS_MODULE", "SYS_ADMIN"]}}, "terminationGracePeriodSeconds": 600,
    }  # fmt: skip
    pod = fleet.pod(yaml.safe_dump({"daemonset": options}))
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["env"][-1] == {"name": "TZ", "value": "UTC"}
        assert container["securityContext"]["capabilities"] == {"add": ["SYS_MODULE", "SYS_ADMIN"], "drop": ["ALL"]}
        assert container["volumeMounts"][-1] == {"name": "conf", "mountPath": "/c"}
        assert container["resources"] == {"limits": {"memory": "64Mi"}}
        assert env_of(container)["GRACE"] == "600"
    assert pod["terminationGracePeriodSeconds"] == 600


def test_its_account_is_approved_in_the_policy_of_the_cluster(fleet: PlainFleet) -> None:
    fleet.nic()
    fleet.render()
    policy = yaml.safe_load(fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")["data"]["policy.yaml"])
    assert policy["spec"]["parameters"]["kernelAccess"]["approved"] == [
        {"namespace": "kmm-tests", "serviceAccount": "nic"}
    ]
    assert "PRV" not in fleet.run("check", "--format", "json").stdout


def test_an_override_delivers_in_another_way_on_some_clusters(fleet: PlainFleet) -> None:
    fleet.cluster("rome")
    more = (
        "overrides: [{clusters: {names: [paris]}, patch: {delivery: daemonset, build: null}}]\nbuild: {dockerfile: ./D}"
    )
    fleet.write("drivers/D", "FROM a:1\nRUN make\n")
    fleet.nic(more, delivery="kmm")
    fleet.render()
    assert "rome/nic/module-nic.yaml" in fleet.files()
    assert [path for path in fleet.files() if path.startswith("paris/nic/daemonset-")]
    assert "paris/nic/module-nic.yaml" not in fleet.files()


@pytest.mark.parametrize("rights", ["privileged: true", "capabilities: {add: [CAP_SYS_ADMIN]}"])
def test_rights_that_escalate_are_not_refused_by_the_api_server(fleet: PlainFleet, rights: str) -> None:
    pod = fleet.pod(f"daemonset: {{securityContext: {{{rights}}}}}")
    for container in (*pod["initContainers"], *pod["containers"]):
        assert "allowPrivilegeEscalation" not in container["securityContext"]


def test_no_escalation_beside_a_capability_that_the_api_server_lets_pass(fleet: PlainFleet) -> None:
    rights = "{allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN]}}"
    [container] = fleet.pod(f"daemonset: {{securityContext: {rights}}}")["containers"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


@pytest.mark.parametrize(("namespace", "is_rendered"), [("kube-system", False), ("default", False), ("kube", True)])
def test_a_namespace_of_the_cluster_is_not_rendered(fleet: PlainFleet, namespace: str, is_rendered: bool) -> None:
    fleet.nic()
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("kmm-tests", namespace))
    fleet.render()
    names = [name.rpartition("/")[2] for name in fleet.files()]
    assert (f"namespace-{namespace}.yaml" in names) is is_rendered
    assert "serviceaccount-nic.yaml" in names


def test_further_capabilities_come_beside_the_one_that_loads(fleet: PlainFleet) -> None:
    pod = fleet.pod("daemonset: {securityContext: {capabilities: {add: [NET_ADMIN]}}}")
    for container in (pod["initContainers"][0], pod["containers"][0]):
        assert container["securityContext"]["capabilities"] == {"add": ["SYS_MODULE", "NET_ADMIN"], "drop": ["ALL"]}
    assert fleet.pod("daemonset: {securityContext: {capabilities: {add: [CAP_SYS_MODULE]}, runAsUser: 0}}")
