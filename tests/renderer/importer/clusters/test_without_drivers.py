"""An input that says something of its cluster and has no driver: the Cluster alone is imported."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_an_application_set_in_a_folder_is_no_helm_template(tmp_path: Path) -> None:
    source = {"repoURL": "https://git.example.com/a.git", "path": "rendered/{{ .cluster }}"}
    metadata = {"name": "kmodgate", "namespace": "argocd", "labels": {"app.kubernetes.io/managed-by": "kmodgate"}}
    template = {"metadata": {"name": "kmodgate-{{ .cluster }}"}, "spec": {"project": "kmodgate", "source": source}}
    objects = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": metadata,
        "spec": {"template": template},
    }
    (tmp_path / "paris").mkdir()
    dump(tmp_path / "paris", objects)
    imported(tmp_path, "--cluster=paris=paris", "--output=fleet")
    assert spec(tmp_path / "fleet/clusters/paris.yaml")["argocd"]["kind"] == "ApplicationSet"
