"""An input that says something of its cluster and has no driver: the Cluster alone is imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import run
from tests.renderer.importer.clusters.test_cluster_settings import Object, mirror_set, subscription
from tests.renderer.importer.import_runs import imported, module, spec

MIRRORS = mirror_set(
    "ImageDigestMirrorSet", "imageDigestMirrors", {"source": "quay.io/acme", "mirrors": ["reg.site/acme"]}
)


def dump(here: Path, *objects: Object, name: str = "dump.yaml") -> None:
    (here / name).write_text("---\n".join(json.dumps(item) + "\n" for item in objects))


def test_a_subscription_alone_becomes_a_cluster_that_renders(tmp_path: Path) -> None:
    dump(tmp_path, subscription())
    result = imported(tmp_path, "dump.yaml", "--cluster=paris", "--output=fleet")
    assert "0 drivers of 1 cluster imported" in result.stderr
    assert spec(tmp_path / "fleet/clusters/paris.yaml")["kmm"]["install"]["csv"] == "kernel-module-management.v2.4.1"
    assert run("render", "fleet", cwd=tmp_path).returncode == 0
    assert (tmp_path / "fleet/rendered/paris/kmm-operator/subscription-kernel-module-management.yaml").is_file()


def test_mirrors_alone_become_a_cluster(tmp_path: Path) -> None:
    dump(tmp_path, MIRRORS)
    imported(tmp_path, "dump.yaml", "--cluster=paris", "--output=fleet")
    assert spec(tmp_path / "fleet/clusters/paris.yaml")["mirrors"] == [
        {"source": "quay.io/acme", "mirror": "reg.site/acme", "type": "digest"}
    ]


def test_one_cluster_without_drivers_does_not_keep_those_of_another_from_being_imported(tmp_path: Path) -> None:
    dump(tmp_path, subscription(), name="bare.yaml")
    (tmp_path / "modules.yaml").write_text(module())
    imported(tmp_path, "--cluster=lyon=bare.yaml", "--cluster=paris=modules.yaml", "--output=fleet")
    assert sorted(path.name for path in (tmp_path / "fleet/clusters").iterdir()) == ["lyon.yaml", "paris.yaml"]
    (driver,) = (tmp_path / "fleet/drivers").glob("*.yaml")
    assert spec(driver)["clusters"] == {"names": ["paris"]}


def test_a_cluster_that_the_fleet_has_is_not_changed_and_that_is_said(tmp_path: Path) -> None:
    dump(tmp_path, subscription())
    imported(tmp_path, "dump.yaml", "--cluster=paris", "--output=fleet")
    result = imported(tmp_path, "dump.yaml", "--cluster=paris", "--output=fleet", code=2)
    assert (
        "no driver in the input, and the fleet has paris already: an existing Cluster is not changed" in result.stderr
    )


def test_a_subscription_that_cannot_be_said_is_the_error_with_its_line(tmp_path: Path) -> None:
    dump(tmp_path, subscription(status={}))
    result = imported(tmp_path, "dump.yaml", "--cluster=paris", "--output=fleet", code=2)
    assert "dump.yaml:1:" in result.stderr
    assert "error[IMP001] Subscription openshift-kmm/kernel-module-management" in result.stderr
    assert not (tmp_path / "fleet").exists()


def test_another_operators_subscription_says_nothing_of_a_cluster(tmp_path: Path) -> None:
    dump(tmp_path, subscription("node-feature-discovery"))
    result = imported(tmp_path, "dump.yaml", "--cluster=paris", "--output=fleet", code=2)
    assert "no driver in it, only Subscription of operators.coreos.com/v1alpha1" in result.stderr


@pytest.mark.parametrize(("namespace", "platform"), [("argocd", "kubernetes"), ("openshift-gitops", "openshift")])
def test_an_application_set_alone_tells_the_platform_by_its_namespace_or_not_at_all(
    tmp_path: Path, namespace: str, platform: str
) -> None:
    (tmp_path / "paris").mkdir()
    dump(tmp_path / "paris", application_set(namespace))

    result = imported(tmp_path, "--cluster=paris=paris", "--output=fleet")  # in a folder it is no Helm template
    file = tmp_path / "fleet/clusters/paris.yaml"

    assert spec(file)["argocd"]["kind"] == "ApplicationSet"
    assert spec(file)["platform"] == platform
    is_unknown = platform == "kubernetes"
    assert ("nothing in the input tells the platform of paris" in result.stderr) is is_unknown
    assert ("# review: unknown, no object tells it; say openshift or kubernetes" in file.read_text()) is is_unknown


def test_the_lines_that_a_cluster_of_the_fleet_lacks_are_said(tmp_path: Path) -> None:
    dump(tmp_path, subscription())
    imported(tmp_path, "dump.yaml", "--cluster=paris", "--output=fleet")
    both = {"apiVersion": "v1", "kind": "List", "items": [subscription(), application_set("openshift-gitops")]}
    dump(tmp_path, both, name="dump2.yaml")
    (tmp_path / "modules.yaml").write_text(module())

    alone = imported(tmp_path, "dump2.yaml", "--cluster=paris", "--output=fleet", code=2).stderr
    beside = imported(tmp_path, "dump2.yaml", "modules.yaml", "--cluster=paris", "--output=fleet").stderr

    for text in (alone, beside):
        assert 'is not changed: add to spec: argocd: {"repoURL": "https://git.example.com/a.git", ' in text
        assert "install" not in text  # it is there already
    assert "argocd" not in spec(tmp_path / "fleet/clusters/paris.yaml")


def test_a_field_that_a_cluster_of_the_fleet_has_otherwise_is_said_with_its_line(tmp_path: Path) -> None:
    dump(tmp_path, subscription())
    imported(tmp_path, "dump.yaml", "--cluster=paris", "--output=fleet")
    file = tmp_path / "fleet/clusters/paris.yaml"
    file.write_text(file.read_text().replace("channel: stable", "channel: release-2.5"))
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "channel:" in text)

    result = imported(tmp_path, "dump.yaml", "--cluster=paris", "--output=fleet", code=2)

    said = 'spec.kmm.install.channel is "release-2.5", and the objects say "stable"'
    assert f"clusters/paris.yaml:{line} is not changed: {said}" in result.stderr


def application_set(namespace: str) -> Object:
    """An ApplicationSet of kmodgate over the folders of a tree."""
    source = {"repoURL": "https://git.example.com/a.git", "path": "rendered/{{ .cluster }}"}
    template = {"metadata": {"name": "kmodgate-{{ .cluster }}"}, "spec": {"project": "kmodgate", "source": source}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {
            "name": "kmodgate",
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "kmodgate"},
        },
        "spec": {"template": template},
    }
