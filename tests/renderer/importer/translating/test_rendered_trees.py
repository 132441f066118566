"""The rendered tree of a fleet becomes a fleet that renders to the same tree, whichever way its drivers take."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import run
from tests.conftest import CASES

CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {{name: {name}{labels}}}
spec:
  platform: {platform}
  {more}
  nodeGroups:
  - {{name: workers, labels: {{pool: a}}, kernels: [{kernel}]}}
"""
KERNEL = "5.14.0-503.11.1.el9_5.x86_64"
DRIVER = """\
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata: {name: nic}
spec:
  clusters: {names: [paris]}
  namespace: {name: drivers}
  selector: {pool: a}
"""
MODULE = """\
  modprobe: {moduleName: nic}
  containerImage: quay.io/acme/nic:1-${KERNEL_FULL_VERSION}
  kernelMappings: [{name: any, regexp: '^.+$'}]
"""
PLUGIN = "  devicePlugin: {container: {image: 'quay.io/acme/plugin:1'}, serviceAccountName: ''}\n"
KMM = 'kmm: {version: "2.6", flavour: redhat}'
INSTALLED = """\
kmm:
    flavour: redhat
    install: {csv: kernel-module-management.v2.4.1, approve: byHand}"""
MIRRORED = f"""\
{KMM}
  mirrorObjects: true
  mirrors: [{{source: quay.io/acme, mirror: reg.site/acme, type: tag}}]"""
SPOKE = 'kmm: {version: "2.6"}\n  acm: {role: spoke, hub: paris}'
PULL_SECRET = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: pull}
spec: {secretStoreRef: {kind: ClusterSecretStore, name: vault}, target: {template: {type: kubernetes.io/dockerconfigjson}}}
"""
DOCKERFILE = (
    "ARG DTK_AUTO\nFROM ${DTK_AUTO} AS kernel\nFROM quay.io/acme/base:9\nCOPY --from=kernel /a /opt/lib/modules\n"
)


def cluster(name: str = "paris", *, labels: str = "", platform: str = "openshift", **values: str) -> str:
    return CLUSTER.format(
        name=name, labels=labels, platform=platform, **{"kernel": KERNEL, "more": "topology: ha"} | values
    )


DELIVERED_BY_PODS = {
    "no account of a separate plugin": MODULE + PLUGIN + "  delivery: daemonset\n  daemonset: {separate: true}\n",
    "a short time to unload in": MODULE + "  delivery: daemonset\n  daemonset: {terminationGracePeriodSeconds: 30}\n",
    "the arguments of modprobe as a whole": (
        "  delivery: daemonset\n  modprobe: {rawArgs: {load: [-d, /opt, nic], unload: [-d, /opt, -r, nic]}}\n"
        "  kernelMappings: [{name: any, regexp: '^.+$', containerImage: 'quay.io/acme/nic:1'}]\n"
    ),
}


@pytest.mark.parametrize("driver", DELIVERED_BY_PODS.values(), ids=DELIVERED_BY_PODS.keys())
def test_drivers_of_daemon_sets_come_back_as_they_were(driver: str, tmp_path: Path) -> None:
    assert_comes_back(tmp_path, {"paris": cluster()}, DRIVER + driver)


def test_a_kernel_that_ends_in_a_plus_comes_back_as_it_was(tmp_path: Path) -> None:
    driver = DRIVER + MODULE + "  delivery: daemonset\n  daemonset: {kernelLabel: example.com/kernel}\n"
    assert_comes_back(tmp_path, {"paris": cluster(kernel="6.6.0+")}, driver)


def test_spokes_whose_trees_have_their_policy_alone_come_with_their_hub(tmp_path: Path) -> None:
    spokes = {
        name: cluster(name, labels=", labels: {tier: edge}", more=f"{KMM}\n  acm: {{role: spoke, hub: paris}}")
        for name in ("lyon", "nice")
    }
    driver = DRIVER + MODULE + "  delivery: hub\n  hub: {selector: {tier: edge}}\n"
    result = comes_back(tmp_path, {"paris": cluster(more=f"{KMM}\n  acm: {{role: hub}}"), **spokes}, driver)
    assert "its hub delivers the drivers of lyon" in result
    assert (tmp_path / "fleet/clusters/nice.yaml").is_file()


def test_a_spoke_with_a_driver_of_its_own_stays_one(tmp_path: Path) -> None:
    spoke = cluster("lyon", labels=", labels: {tier: edge}", more=f"{KMM}\n  acm: {{role: spoke, hub: paris}}")
    own = DRIVER.replace("nic", "gps").replace("paris", "lyon") + MODULE.replace("nic", "gps")
    driver = DRIVER + MODULE + "  delivery: hub\n  hub: {selector: {tier: edge}}\n  sign: {prebuilt: true}\n"
    clusters = {"paris": cluster(more=f"{KMM}\n  acm: {{role: hub}}"), "lyon": spoke}
    assert_comes_back(tmp_path, clusters, f"{driver}---\n{own}")


def test_a_pull_secret_alone_tells_the_flavour_of_a_hub(tmp_path: Path) -> None:
    spoke = cluster("lyon", platform="kubernetes", labels=", labels: {tier: edge}", more=SPOKE)
    path = tmp_path / "source/drivers/pull.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(PULL_SECRET)
    driver = DRIVER + MODULE + "  delivery: hub\n  hub: {selector: {tier: edge}}\n  attach: [./pull.yaml]\n"
    clusters = {"paris": cluster(more=f"{KMM}\n  acm: {{role: hub}}"), "lyon": spoke}
    assert_comes_back(tmp_path, clusters, driver + "  imageRepoSecret: pull\n")


@pytest.mark.parametrize(("delivery", "more"), [("kmm", KMM), ("daemonset", "topology: ha")])
def test_images_that_were_signed_before_come_back_so(delivery: str, more: str, tmp_path: Path) -> None:
    driver = f"{DRIVER}{MODULE}  delivery: {delivery}\n  sign: {{prebuilt: true}}\n"
    assert_comes_back(tmp_path, {"paris": cluster(more=more)}, driver)


def test_the_cordon_that_an_operator_on_a_single_node_tolerates_stays(tmp_path: Path) -> None:
    assert_comes_back(tmp_path, {"paris": cluster(more=f"{INSTALLED}\n  topology: sno")}, DRIVER + MODULE)


def test_the_namespace_in_which_an_operator_is_anyway_is_not_said(tmp_path: Path) -> None:
    assert_comes_back(tmp_path, {"paris": cluster(more=INSTALLED)}, DRIVER + MODULE)


OPERATORS = {
    "a hub's own namespace in the policy": ("openshift", INSTALLED + "\n    config: {worker: {runAsUser: 0}}"),
    "no alerts on MicroShift": ("openshift", f"{INSTALLED}\n  topology: microshift"),
    "the usual namespace upstream": ("kubernetes", """\
kmm:
    install: {csv: kernel-module-management.v2.6.0, source: a, approve: byHand}"""),
    "Red Hat's in the namespace of upstream": ("openshift", """\
kmm:
    flavour: redhat
    namespace: kmm-operator-system
    install: {csv: kernel-module-management.v2.4.1, approve: byHand}"""),
    "OLM's own namespace on OpenShift": ("openshift", """\
kmm:
    flavour: redhat
    namespace: operators
    install: {csv: kernel-module-management.v2.4.1, source: a, sourceNamespace: olm, approve: byHand}"""),
    "alerts on Kubernetes": ("kubernetes", """\
kmm:
    namespace: kmm
    install: {csv: kernel-module-management.v2.6.0, approve: byHand, alerts: true}"""),
    "a restart without an installation": ("openshift", """\
kmm: {flavour: redhat, config: {worker: {runAsUser: 0}}}
  tools: {kubectl: quay.io/acme/kubectl:1.33}"""),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    platform, more = OPERATORS[name]
    assert_comes_back(tmp_path, {"paris": cluster(platform=platform, more=more)}, DRIVER + MODULE)


@pytest.mark.parametrize("example", ["disconnected", "sno-from-nothing"])
def test_trees_come_back_with_their_handovers(example: str, tmp_path: Path) -> None:
    trees = [*(CASES / example).iterdir(), *(CASES.parent / "handovers" / example).iterdir()]
    run("import", "--output=fleet", *(f"--cluster={tree.name}={tree}" for tree in trees if tree.is_dir()), cwd=tmp_path)
    result = run("render", "fleet", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert texts(tmp_path / "fleet/rendered") == texts(CASES / example)
    assert texts(tmp_path / "fleet/handover") == texts(CASES.parent / "handovers" / example)


def test_the_configuration_in_a_patch_of_an_overlay_is_listed(tmp_path: Path) -> None:
    overlay = """\
kmm:
    version: "2.3"
    install: {kustomize: 'https://git.example.com/kmm/config/default?ref=0123456789012345678901234567890123456789'}
    config: {worker: {runAsUser: 0}}"""
    said = comes_back(tmp_path, {"paris": cluster(platform="kubernetes", more=overlay)}, DRIVER + MODULE)
    assert "Kustomization" not in said
    folders = [f"--cluster=paris=source/{tree}/paris" for tree in ("rendered", "handover")]
    said = run("import", "--output=again", *folders, cwd=tmp_path).stderr
    assert (
        "Kustomization kernel-module-management: patches: not carried over: the configuration of a KMM before 2.4"
        in said
    )


def test_mirrors_that_render_has_used_stay(tmp_path: Path) -> None:
    driver = DRIVER + MODULE + "  build: {dockerfile: ./nic.Dockerfile}\n"
    assert_comes_back(tmp_path, {"paris": cluster(more=MIRRORED)}, driver)


def assert_comes_back(here: Path, clusters: dict[str, str], driver: str) -> None:
    comes_back(here, clusters, driver)
    assert texts(here / "fleet/rendered") == texts(here / "source/rendered")


def comes_back(here: Path, clusters: dict[str, str], driver: str) -> str:
    """Render a fleet, import its tree, and render that; return what the import says."""
    files = {"kmodgate.yaml": "", "drivers/nic.yaml": driver, "drivers/nic.Dockerfile": DOCKERFILE}
    for name, text in {**files, **{f"clusters/{name}.yaml": text for name, text in clusters.items()}}.items():
        path = here / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    rendered = run("render", "source", cwd=here)
    assert rendered.returncode == 0, rendered.stderr
    trees = [f"--cluster={name}=source/rendered/{name}" for name in clusters]
    result = run("import", *trees, "--output=fleet", cwd=here)
    assert result.returncode == 0, result.stderr
    again = run("render", "fleet", cwd=here)
    assert again.returncode == 0, again.stderr
    return result.stderr


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.yaml")}
