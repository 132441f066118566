"""The Argo CD of a fleet: its project, and an Application for each cluster."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from tests import shared
from tests.fleets import FleetFolder
from tests.renderer.rendering import errors

HERE = "https://kubernetes.default.svc"


@pytest.fixture
def fleet(fleet: FleetFolder) -> FleetFolder:
    """Two clusters with a driver; Argo CD runs on paris."""
    fleet.cluster("lyon", platform="openshift")
    fleet.driver("nic")
    said(fleet, "paris", "argocd: {repoURL: 'https://git.example.com/f.git', path: fleet/rendered}")
    return fleet


def said(fleet: FleetFolder, cluster: str, line: str) -> None:
    path = fleet.root / f"clusters/{cluster}.yaml"
    path.write_text(path.read_text() + f"  {line}\n")


def made(fleet: FleetFolder, name: str) -> Any:
    return yaml.safe_load((fleet.root / f"handover/paris/argocd/{name}.yaml").read_text())


def by_set(fleet: FleetFolder) -> Any:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("path: fleet", "kind: ApplicationSet, path: fleet"))
    fleet.render()
    return made(fleet, "applicationset-kmodgate")


def test_each_cluster_has_one_application_over_its_folder(fleet: FleetFolder) -> None:
    fleet.render()
    assert sorted(name.rpartition("/")[2] for name in fleet.files("handover") if "argocd" in name) == [
        "application-kmodgate-lyon.yaml",
        "application-kmodgate-paris.yaml",
        "appproject-kmodgate.yaml",
    ]
    lyon = made(fleet, "application-kmodgate-lyon")
    assert lyon["metadata"]["namespace"] == "argocd"
    assert "finalizers" not in lyon["metadata"]
    assert lyon["spec"]["source"] == {
        "repoURL": "https://git.example.com/f.git",
        "targetRevision": "refs/heads/main",
        "path": "fleet/rendered/lyon",
        "directory": {"recurse": True},
    }
    assert lyon["spec"]["destination"] == {"name": "lyon", "namespace": "kmm-tests"}
    assert made(fleet, "application-kmodgate-paris")["spec"]["destination"]["server"] == HERE


def test_the_address_of_a_cluster_is_its_destination(fleet: FleetFolder) -> None:
    said(fleet, "lyon", "server: https://api.lyon.example.com:6443")
    fleet.render()
    destination = made(fleet, "application-kmodgate-lyon")["spec"]["destination"]
    assert destination == {"server": "https://api.lyon.example.com:6443", "namespace": "kmm-tests"}


def test_nothing_for_argo_cd_is_in_the_tree(fleet: FleetFolder) -> None:
    fleet.render()
    assert not [name for name, content in fleet.files().items() if b"argoproj.io/v1alpha1" in content]


def test_the_project_allows_what_the_tree_holds_and_nothing_else(fleet: FleetFolder) -> None:
    fleet.render()
    spec = made(fleet, "appproject-kmodgate")["spec"]
    objects = [yaml.safe_load(content) for name, content in fleet.files().items() if name.endswith(".yaml")]
    kinds: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    for item in objects:
        group = item["apiVersion"].rpartition("/")[0]
        kinds["namespace" in item["metadata"]].add((group, item["kind"]))
    for key, namespaced in (("clusterResourceWhitelist", False), ("namespaceResourceWhitelist", True)):
        assert [(item["group"], item["kind"]) for item in spec[key]] == sorted(kinds[namespaced])
    places = {(item.get("name") or item["server"], item["namespace"]) for item in spec["destinations"]}
    assert places == {(where, space) for where in ("lyon", HERE) for space in ("kmm-tests", "kmodgate-system")}
    assert spec["sourceRepos"] == ["https://git.example.com/f.git"]


def test_only_what_kmm_writes_into_namespaces_is_ignored(fleet: FleetFolder) -> None:
    fleet.render()
    spec = made(fleet, "application-kmodgate-lyon")["spec"]
    pointers = ["/metadata/labels/kmm.node.k8s.io~1contains-modules"]
    assert spec["ignoreDifferences"] == [{"kind": "Namespace", "jsonPointers": pointers}]
    assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]
    fleet.write("drivers/nic.yaml", (fleet.root / "drivers/nic.yaml").read_text().replace("tier: edge", "tier: none"))
    fleet.cluster("other", labels={"tier": "none"})
    fleet.run("render", "--allow-removal", "nic")
    assert "ignoreDifferences" not in made(fleet, "application-kmodgate-lyon")["spec"]


def test_an_application_set_never_deletes_and_never_rolls(fleet: FleetFolder) -> None:
    said(fleet, "lyon", "server: https://api.lyon.example.com:6443")
    found = by_set(fleet)
    assert found["spec"]["syncPolicy"] == {"applicationsSync": "create-update", "preserveResourcesOnDeletion": True}
    assert "strategy" not in found["spec"]
    (generator,) = found["spec"]["generators"]
    assert generator["list"]["elements"] == [
        {"cluster": "lyon", "name": "", "server": "https://api.lyon.example.com:6443", "namespace": "kmm-tests"},
        {"cluster": "paris", "name": "", "server": HERE, "namespace": "kmm-tests"},
    ]
    assert found["spec"]["template"]["spec"]["source"]["path"] == "fleet/rendered/{{ .cluster }}"
    assert found["spec"]["template"]["metadata"]["name"] == "kmodgate-{{ .cluster }}"


def test_a_second_argo_cd_is_an_error(fleet: FleetFolder) -> None:
    said(fleet, "lyon", "argocd: {repoURL: 'https://git.example.com/f.git'}")
    (line,) = errors(fleet)
    assert line.startswith("clusters/paris.yaml:9:")
    assert "cluster lyon has the Argo CD of the fleet already" in line


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("argocd: {repoURL: 'not an address'}", "spec.argocd.repoURL"),
        ("argocd: {}", "spec.argocd"),
        ("argocd: {repoURL: 'https://g.example/f', path: /rendered/}", "spec.argocd.path"),
        ("argocd: {repoURL: 'https://g.example/f', path: ../rendered}", "spec.argocd.path"),
        ("argocd: {repoURL: 'https://g.example/f', path: a/./b}", "spec.argocd.path"),
        ("argocd: {repoURL: 'https://g.example/f', project: default}", "spec.argocd.project"),
        ("argocd: {repoURL: 'https://robot:secret@g.example/f'}", "spec.argocd.repoURL: the address holds a password"),
        ("argocd: {repoURL: 'https://glpat-abc@g.example/f'}", "spec.argocd.repoURL: the address holds a password"),
        ("server: 'http://api.example.com'", "spec.server"),
        ("server: 'https://kubernetes.default.svc'", "spec.server: https://kubernetes.default.svc is the address of"),
    ],
)
def test_addresses_that_are_none_are_errors(fleet: FleetFolder, line: str, field: str) -> None:
    said(fleet, "lyon", line)
    assert any(f"] {field}" in found for found in errors(fleet))


def test_a_password_is_not_printed(fleet: FleetFolder) -> None:
    said(fleet, "lyon", "argocd: {repoURL: 'https://robot:secret@g.example/f'}")
    assert "secret@" not in "".join(errors(fleet))


def test_two_clusters_at_one_address_are_an_error(fleet: FleetFolder) -> None:
    for name in ("lyon", "nice"):
        fleet.cluster(name) if name == "nice" else None
        said(fleet, name, "server: https://api.example.com:6443")
    (line,) = errors(fleet)
    assert line.startswith("clusters/nice.yaml:")
    assert "https://api.example.com:6443 is the address of cluster lyon, too" in line


def _dump(fleet: FleetFolder, *items: tuple[str, str], url: str = "https://git.example.com/f", **directory: str) -> str:
    objects = [
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": "argocd"},
            "spec": {
                "project": "kmodgate",
                "source": {"repoURL": url, "path": path, "directory": {"recurse": True, **directory}},
            },
        }
        for name, path in items
    ]
    fleet.write("facts/apps.yaml", yaml.safe_dump_all(objects))
    result = fleet.run("check", ".", "--facts", "paris=facts/apps.yaml")
    _, is_told, found = result.stdout.partition("GIT007")
    return is_told + found


def test_an_application_of_a_cluster_that_has_left_is_told(fleet: FleetFolder) -> None:
    fleet.render()
    found = _dump(fleet, ("kmodgate-lyon", "fleet/rendered/lyon"), ("kmodgate-nice", "fleet/rendered/nice"))
    assert "Application argocd/kmodgate-nice" in found
    assert "no such cluster" in found
    assert "kmodgate-lyon" not in found


@pytest.mark.parametrize("path", ["fleet/rendered/lyon/nic", "./fleet/rendered", "fleet", "."])
@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com:443/f.git",
        "ssh://git@git.example.com:22/f",
        "ssh://git.example.com:2222/f",
        "git@git.example.com:/f",
        "git@git.example.com:f",
    ],
)
def test_an_application_of_a_part_of_the_tree_or_of_more_is_told(fleet: FleetFolder, path: str, url: str) -> None:
    fleet.render()
    found = _dump(fleet, ("mine", path), url=url)
    assert "which another Application applies, too" in found
    assert not _dump(fleet, ("mine", path), url="https://git.example.com/other")
    assert not _dump(fleet, ("mine", "docs"), url=url)


@pytest.mark.parametrize("url", ["https://git.example.com:8443/f", "https://git.example.com:no/f", "https://[/f", "f"])
def test_an_application_of_another_repository_is_let_be(fleet: FleetFolder, url: str) -> None:
    fleet.render()
    assert not _dump(fleet, ("mine", "fleet/rendered"), url=url)


@pytest.mark.parametrize(
    ("path", "what", "glob"),
    [
        (".", "the whole repository, with fleet/rendered in it", "fleet/rendered/**"),
        ("fleet", "fleet, with fleet/rendered in it", "rendered/**"),
    ],
)
def test_an_application_of_a_folder_around_the_tree_is_to_leave_the_tree_out(
    fleet: FleetFolder, path: str, what: str, glob: str
) -> None:
    fleet.render()
    for exclude, wanted in (("", glob), ("docs/*", f"{{docs/*,{glob}}}")):
        found = _dump(fleet, ("mine", path), exclude=exclude)
        assert f"applies {what}, which another" in found
        assert f"directory.exclude: '{wanted}'" in found
        assert "delete" not in found
        assert not _dump(fleet, ("mine", path), exclude=wanted)


@pytest.mark.parametrize(
    ("directory", "is_told"),
    [
        ({"include": "apps/*.yaml"}, False),
        ({"include": "{apps,docs}/**"}, False),
        ({"include": "*.yaml"}, True),
        ({"include": "{apps,fleet}/*.yaml"}, True),
        ({"include": "fleet/[!r]*"}, False),
        ({"include": "flee\\t/**"}, False),
        ({"exclude": "fleet/**"}, False),
        ({"exclude": "{docs/*,{fleet,apps}/*}"}, False),
        ({"exclude": "fleet/*.json"}, True),
        ({"include": "*.yaml", "exclude": "*/rendered/*"}, False),
        ({"include": "{fleet/*"}, False),
    ],
    ids=str,
)
def test_an_application_applies_what_its_globs_take(
    fleet: FleetFolder, directory: dict[str, str], is_told: bool
) -> None:
    fleet.render()
    assert bool(_dump(fleet, ("mine", "."), **directory)) is is_told


def test_a_second_application_of_a_folder_is_told(fleet: FleetFolder) -> None:
    fleet.render()
    assert "another Application applies, too" in _dump(fleet, ("mine", "fleet/rendered/lyon"))
    assert _dump(fleet, ("mine", "elsewhere/lyon")) == ""


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["application", "applicationset", "appproject"])
def test_the_objects_are_what_argo_cds_definitions_say(fleet: FleetFolder, kind: str) -> None:
    file = shared.need(f"crds/argoproj.io_{kind}s.yaml")
    (version,) = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]["versions"]
    if kind == "applicationset":
        found = by_set(fleet)
    else:
        fleet.render()
        found = made(fleet, {"application": "application-kmodgate-lyon", "appproject": "appproject-kmodgate"}[kind])
    jsonschema.Draft202012Validator(_strict(version["schema"]["openAPIV3Schema"])).validate(found)


def _strict(schema: Any) -> Any:
    """The schema, in which a field that it does not know is an error."""
    if not isinstance(schema, dict):
        return schema
    result = {key: value for key, value in schema.items() if key not in ("properties", "items")}
    if "properties" in schema:
        result["properties"] = {name: _strict(child) for name, child in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "metadata" not in schema["properties"]:
            result["additionalProperties"] = schema.get("additionalProperties", False)
    if "items" in schema:
        result["items"] = _strict(schema["items"])
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        result.pop("type", None)
    return result
