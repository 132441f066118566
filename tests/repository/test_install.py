"""manifests/webhook.yaml, the Containerfile and `kmodgate webhook-config` agree on what is installed, and docs on how."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from typing import Any, TypeAlias

import pytest
import yaml

from kmodgate.renderer.version import __version__
from tests.fleets import REPOSITORY, FleetFolder
from tests.renderer.registration.registering import generated, made, mutating, validating

Json: TypeAlias = dict[str, Any]

MANIFEST = REPOSITORY / "manifests" / "webhook.yaml"
CONTAINERFILE = (REPOSITORY / "Containerfile").read_text(encoding="utf-8")
INSTALL = (
    (REPOSITORY / "docs" / "webhook.md")
    .read_text(encoding="utf-8")
    .partition("\n## Install\n")[2]
    .partition("\n## ")[0]
)


@pytest.fixture
def installed() -> dict[str, Json]:
    """The objects of the manifest, by kind."""
    objects = list(yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8")))
    return {item["kind"]: item for item in objects}


@pytest.fixture
def pod(installed: dict[str, Json]) -> Json:
    found: Json = installed["Deployment"]["spec"]["template"]["spec"]
    return found


@pytest.fixture
def container(pod: Json) -> Json:
    (found,) = pod["containers"]
    return dict(found)


@pytest.fixture
def settings(container: Json) -> Any:
    """What the server makes of the arguments of the Deployment."""
    pytest.importorskip("uvloop")
    from kmodgate.webhook.flags import parse

    return parse(container["args"], {})


# -- the parts fit --------------------------------------------------------------------------------


def test_the_server_takes_the_arguments_and_the_names_of_its_own_certificate(
    settings: Any, installed: dict[str, Json], fleet: FleetFolder
) -> None:
    service = installed["Service"]["metadata"]
    assert settings.in_cluster
    assert settings.certificate_name == [f"{service['name']}.{service['namespace']}.svc"]
    assert f"Secret/{settings.certificate_secret}" in generated(fleet)
    assert {
        f"ValidatingWebhookConfiguration/{settings.validating_configuration}",
        f"MutatingWebhookConfiguration/{settings.mutating_configuration}",
    } <= set(generated(fleet))


def test_the_configurations_lead_to_the_service_and_it_to_the_port_of_reviews(
    settings: Any, installed: dict[str, Json], container: Json, fleet: FleetFolder
) -> None:
    objects = generated(fleet)
    service, deployment = installed["Service"], installed["Deployment"]
    (port,) = service["spec"]["ports"]
    called = {
        tuple(entry["clientConfig"]["service"].get(key, 443) for key in ("namespace", "name", "port"))
        for entry in validating(objects)["webhooks"] + mutating(objects)["webhooks"]
    }
    assert called == {(service["metadata"]["namespace"], service["metadata"]["name"], port["port"])}
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == labels
    assert installed["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    ports = {item["name"]: item["containerPort"] for item in container["ports"]}
    assert ports == {"reviews": settings.listen.port, "operations": settings.ops_listen.port}
    assert port["targetPort"] == "reviews"


def test_namespace_and_account_are_those_that_kmodgate_writes(
    installed: dict[str, Json], pod: Json, fleet: FleetFolder
) -> None:
    fleet.render()
    namespace = fleet.object("paris/cluster/namespace-kmodgate-system.yaml")
    account = generated(fleet)["ServiceAccount/kmodgate-system/kmodgate-webhook"]
    assert (installed["Namespace"], installed["ServiceAccount"]) == (namespace, account)
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    bound = {
        (subject["name"], subject["namespace"])
        for item in generated(fleet).values()
        for subject in item.get("subjects", ())
    }
    assert bound == {(account["metadata"]["name"], account["metadata"]["namespace"])}


def test_the_policy_is_mounted_where_the_server_reads_it(
    settings: Any, pod: Json, container: Json, fleet: FleetFolder
) -> None:
    fleet.render()
    config_map = fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")
    ((volume,), (mount,)) = pod["volumes"], container["volumeMounts"]
    assert (volume["name"], volume["configMap"]["name"]) == (mount["name"], config_map["metadata"]["name"])
    assert [f"{mount['mountPath']}/{key}" for key in config_map["data"]] == [settings.policy]
    assert "subPath" not in mount  # which kubelet never renews


def test_the_pod_has_the_time_to_drain_and_argo_cd_the_order(
    settings: Any, pod: Json, installed: dict[str, Json], fleet: FleetFolder
) -> None:
    assert pod["terminationGracePeriodSeconds"] > settings.drain + settings.grace
    objects = generated(fleet)
    rights = {wave(item) for key, item in objects.items() if "WebhookConfiguration" not in key}
    registered = {wave(item) for key, item in objects.items() if "WebhookConfiguration" in key}
    assert max(rights) < wave(installed["Deployment"]) < min(registered)


def wave(item: Json) -> int:
    return int(item["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])


# -- rights first, configurations last ------------------------------------------------------------


def test_rights_and_configurations_are_printed_apart_and_are_all_there_is(fleet: FleetFolder) -> None:
    rights = made(fleet.run("webhook-config", "--only", "rights"))
    configurations = made(fleet.run("webhook-config", "--only", "configurations"))
    assert {**rights, **configurations} == generated(fleet)
    assert set(configurations) == {"ValidatingWebhookConfiguration/kmodgate", "MutatingWebhookConfiguration/kmodgate"}


def test_a_folder_holds_both_parts(fleet: FleetFolder) -> None:
    result = fleet.run("webhook-config", "--only", "rights", "--output", "registered")
    assert (result.returncode, (fleet.root / "registered").exists()) == (2, False)
    assert "--only is for stdout" in result.stderr


# -- the image ------------------------------------------------------------------------------------


def test_the_image_is_made_of_what_the_package_needs_and_runs_as_nobody(container: Json) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    copied = {name for line in re.findall(r"^COPY (?!--)(.+) \S+$", CONTAINERFILE, re.M) for name in line.split()}
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["sources"])
    files = {"pyproject.toml", "requirements.lock", project["project"]["readme"], *project["project"]["license-files"]}
    assert copied == packages | files
    kept = set(re.findall(r"^!/(\S+)$", (REPOSITORY / ".dockerignore").read_text(encoding="utf-8"), re.M))
    assert kept == copied
    (user,) = re.findall(r"^USER (\d+):\d+$", CONTAINERFILE, re.M)
    assert int(user) > 0  # a number, without which kubelet does not know that it is not root
    (program,) = re.findall(r'^ENTRYPOINT \["\S*/(\S+)"\]$', CONTAINERFILE, re.M)
    assert project["project"]["scripts"][program] == "kmodgate.webhook.start:main"
    assert container["args"][0] == "serve"


def test_the_image_is_named_by_this_version(container: Json) -> None:
    assert container["image"] == f"kmodgate-webhook:{__version__}"
    assert f"-t kmodgate-webhook:{__version__} " in CONTAINERFILE
    assert f"/kmodgate-webhook:{__version__} ." in INSTALL


def test_the_image_takes_each_package_in_the_version_of_the_lock() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (program,) = re.findall(r"RUN (sed -n '.+') requirements.lock", CONTAINERFILE)
    command = [*shlex.split(program), "requirements.lock"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in done.stdout.splitlines()}
    wanted = [*project["dependencies"], *project["optional-dependencies"]["webhook"], "hatchling"]
    assert {re.split("[>=]", item)[0].lower().replace("_", "-") for item in wanted} <= pinned
    assert "sha256" not in done.stdout


# -- the docs -------------------------------------------------------------------------------------


def test_the_docs_register_last_and_unregister_first() -> None:
    steps = (
        "kmodgate-policy",
        "--only rights",
        "apply -f manifests/webhook.yaml",
        "rollout status",
        "--only configurations",
        "--dry-run=server",
    )
    places = [INSTALL.index(step) for step in steps]
    assert places == sorted(places)
    removal = INSTALL.partition("### Removing it")[2]
    assert removal.index("mutatingwebhookconfiguration kmodgate") < removal.index("delete -f manifests/webhook.yaml")


def test_the_readme_registers_once_the_webhook_is_ready() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    places = [
        text.index(step)
        for step in ("--only rights", "manifests/webhook.yaml", "rollout status", "--only configurations")
    ]
    assert places == sorted(places)
    assert "webhook-config my-fleet --cluster paris-1 | kubectl" not in text
