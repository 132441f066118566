"""Whose facts a dump is: that of one cluster, of several, or of nobody's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fleets import FleetFolder, run
from tests.renderer.check.dumps import dump, typed
from tests.renderer.checking import GOOD, SIGNED, check, findings, secret

UNSEEN = "not checked: cluster {}, of which no facts are given"


@pytest.fixture
def sites(fleet: FleetFolder) -> FleetFolder:
    """Three clusters with a signed driver; each has a dump beside the fleet, and only that of paris has its Secrets."""
    for name in ("rome", "oslo"):
        fleet.cluster(name)
    fleet.driver("nic", SIGNED)
    both = [secret("key", key="k"), secret("cert", cert="c")]
    for name, items in (("paris", both), ("rome", [secret("key", key="k")]), ("oslo", [secret("other")])):
        dump(fleet.root.parent / f"{name}.yaml", MODULE, *items)
    return fleet


MODULE = {
    "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
    "kind": "Module",
    "metadata": {"name": "nic", "namespace": "kmm-tests"},
}


def missing(result: Any, mode: str = "enforce") -> list[tuple[str, list[str]]]:
    """What a check misses, and on which clusters."""
    found = [item for item in findings(result) if item["rule"] == "REF101" and item["mode"] == mode]
    return sorted((item["message"], item["clusters"]) for item in found)


def notes(result: Any) -> list[str]:
    return [item["message"] for item in findings(result) if item["message"].startswith("not checked")]


NO_CERT, NO_KEY = "there is no Secret kmm-tests/cert", "there is no Secret kmm-tests/key"


def test_each_cluster_has_its_own_facts(sites: FleetFolder) -> None:
    options = [f"--facts={name}=../{name}.yaml" for name in ("paris", "rome", "oslo")]
    result = check(sites.root, *options, "--format", "json")
    assert missing(result) == [(NO_CERT, ["oslo", "rome"]), (NO_KEY, ["oslo"])]
    assert notes(result) == []


def test_a_cluster_without_facts_is_one_note_in_every_report(sites: FleetFolder) -> None:
    result = check(sites.root, "--facts", "paris=../paris.yaml", "--format", "json")
    assert result.returncode == 0
    assert notes(result) == [UNSEEN.format("oslo"), UNSEEN.format("rome")]
    for form in ("text", "markdown", "sarif", "junit", "github"):
        report = check(sites.root, "--facts", "paris=../paris.yaml", "--format", form).stdout
        for name in ("oslo", "rome"):
            assert report.count(UNSEEN.format(name)) == 1, form
            assert f"--facts {name}=PATH" in report


@pytest.mark.parametrize("path", [".", "drivers/nic.yaml", "clusters", "rendered"])
def test_a_path_without_a_cluster_is_no_fact_of_several(sites: FleetFolder, path: str) -> None:
    sites.render()
    result = check(sites.root, path, "--facts", "../paris.yaml")
    assert result.returncode == 2
    assert "3 clusters" in result.stderr
    assert "say which cluster: --facts CLUSTER=PATH" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["."], ["--cluster", "paris"], ["rendered/paris"], ["more.yaml"]],
    ids=["fleet of one", "cluster", "tree of one cluster", "no spec"],
)
def test_a_path_without_a_cluster_is_of_the_only_one(sites: FleetFolder, arguments: list[str]) -> None:
    sites.write("more.yaml", GOOD)
    if arguments == ["."]:
        for name in ("rome", "oslo"):
            (sites.root / f"clusters/{name}.yaml").unlink()
    sites.render()
    result = check(sites.root, *arguments, "--facts", "../paris.yaml", "--format", "json")
    assert result.returncode == 0, result.stderr
    assert not [note for note in notes(result) if "cluster" in note.partition(",")[0]]


def test_a_path_may_have_an_equals_sign(sites: FleetFolder) -> None:
    (sites.root.parent / "a=b.yaml").write_bytes((sites.root.parent / "oslo.yaml").read_bytes())
    result = check(sites.root, "--cluster", "oslo", "--facts", "../a=b.yaml", "--format", "json")
    assert missing(result) == [(NO_CERT, ["oslo"]), (NO_KEY, ["oslo"])]
    result = check(sites.root, "--facts", "oslo=../a=b.yaml", "--format", "json")
    assert missing(result) == [(NO_CERT, ["oslo"]), (NO_KEY, ["oslo"])]


def test_several_dumps_of_a_cluster_are_one(sites: FleetFolder) -> None:
    dump(sites.root.parent / "cert.yaml", secret("cert", cert="c"))
    result = check(sites.root, "--facts", "rome=../rome.yaml", "--facts", "rome=../cert.yaml", "--format", "json")
    assert missing(result) == []


@pytest.mark.parametrize(
    ("argument", "words"), [("pari=../paris.yaml", "did you mean paris?"), ("rome=../no", "../no")]
)
def test_facts_of_nowhere_are_refused(sites: FleetFolder, argument: str, words: str) -> None:
    result = check(sites.root, "--facts", argument)
    assert result.returncode == 2
    assert words in result.stderr


def test_a_check_of_some_clusters_is_silent_about_the_others(sites: FleetFolder) -> None:
    facts = [f"--facts={name}=../{name}.yaml" for name in ("paris", "rome", "oslo")]
    some = check(sites.root, "--cluster", "paris", "--cluster", "rome", *facts, "--format", "json")
    assert missing(some) == [(NO_CERT, ["rome"])]
    sites.render()
    tree = check(sites.root, "rendered", "--cluster", "rome", *facts, "--format", "json")
    assert missing(tree) == [(NO_CERT, ["rome"])]


@pytest.mark.parametrize(("path", "words"), [(".", "did you mean rome?"), ("-", "no path leads to a fleet")])
def test_a_cluster_that_is_not_there_is_refused(sites: FleetFolder, path: str, words: str) -> None:
    result = check(sites.root, path, "--cluster", "romeo")
    assert result.returncode == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("kind", "name", "field"),
    [
        ("Secret", "pull", "imageRepoSecret: pull"),
        ("Secret", "token", "build: {dockerfileConfigMap: df, secrets: [token]}"),
        ("ConfigMap", "df", "build: {dockerfileConfigMap: df}"),
    ],
    ids=["pull secret", "build secret", "Dockerfile"],
)
def test_what_a_new_driver_names_may_still_come(fleet: FleetFolder, kind: str, name: str, field: str) -> None:
    fleet.driver("nic", field)
    message = f"there is no {kind} kmm-tests/{name}"
    for module, mode in (([], "warn"), ([MODULE], "enforce")):
        dump(fleet.root.parent / "all.yaml", *module, {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}})
        found = missing(check(fleet.root, "--facts", "../all.yaml", "--format", "json"), mode)
        assert [text for text, _ in found] == [message]


def test_the_account_of_a_module_that_a_dump_holds_must_be_there(tmp_path: Path) -> None:
    module = yaml.safe_load(GOOD)
    module["spec"]["moduleLoader"]["serviceAccountName"] = "loader"
    (tmp_path / "module.yaml").write_text(yaml.safe_dump(module))
    other = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "drivers"}}
    for items, mode in (([other], "warn"), ([other, module], "enforce")):
        dump(tmp_path / "dump.yaml", *items)
        result = check(tmp_path, "module.yaml", "--facts", "dump.yaml", "--format", "json")
        assert len(missing(result, mode)) == 1


EXTERNAL = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: KEY}\nspec: {}\n"
SEALED = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: KEY}\nspec: {encryptedData: {}}\n"
TARGET = EXTERNAL.replace("KEY", "vault").replace("{}", "{target: {name: KEY}}")


@pytest.mark.parametrize("maker", [EXTERNAL, SEALED, TARGET], ids=["external", "sealed", "external, another name"])
@pytest.mark.parametrize("place", ["attached", "dump"])
def test_a_secret_that_something_is_to_make_is_a_warning(fleet: FleetFolder, maker: str, place: str) -> None:
    maker = maker.replace("KEY", "key")
    items = [MODULE, secret("cert", cert="c")]
    if place == "attached":
        fleet.write("drivers/maker.yaml", maker)
        fleet.driver("nic", f"{SIGNED}\nattach: [./maker.yaml]")
    else:
        fleet.driver("nic", SIGNED)
        value = yaml.safe_load(maker)
        items.append({**value, "metadata": {**value["metadata"], "namespace": "kmm-tests"}})
    dump(fleet.root.parent / "all.yaml", *items)
    result = check(fleet.root, "--facts", "../all.yaml", "--format", "json")
    assert result.returncode == 0
    ((message, _),) = missing(result, "warn")
    assert message.startswith(f"{NO_KEY}; {yaml.safe_load(maker)['kind']}")


def test_a_maker_of_another_secret_excuses_nothing(fleet: FleetFolder) -> None:
    fleet.driver("nic", SIGNED)
    other = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "key", "namespace": "x"},
    }
    renamed = {**other, "metadata": {"name": "key", "namespace": "kmm-tests"}, "spec": {"target": {"name": "other"}}}
    dump(fleet.root.parent / "all.yaml", MODULE, secret("cert", cert="c"), other, renamed)
    result = check(fleet.root, "--facts", "../all.yaml", "--format", "json")
    assert missing(result) == [(NO_KEY, ["paris"])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (typed("SecretList", secret("key", key="k")), [NO_CERT]),
        (typed("SecretList"), [NO_CERT, NO_KEY]),
        ("apiVersion: v1\nkind: SecretList\nitems: null\n", [NO_CERT, NO_KEY]),
        (
            json.dumps({"apiVersion": "v1", "kind": "List", "items": [json.loads(typed("SecretList"))]}),
            [NO_CERT, NO_KEY],
        ),
        (typed("SecretList", secret("key"), secret("cert", cert="c")).replace('"key": ""', '"key": "aw=="'), []),
        (typed("SecretList", secret("key", key="k"), **{"continue": "x"}), []),
        (typed("ConfigMapList"), []),
        (typed("List"), []),
    ],
    ids=["some", "none", "null", "in a List", "all", "another page", "another kind", "List of nothing"],
)
def test_a_typed_list_tells_all_of_its_kind(fleet: FleetFolder, text: str, expected: list[str]) -> None:
    fleet.driver("nic", SIGNED)
    (fleet.root.parent / "secrets.yaml").write_text(text)
    (fleet.root.parent / "module.json").write_text(json.dumps(MODULE))
    result = check(fleet.root, "--facts", "../secrets.yaml", "--facts", "../module.json", "--format", "json")
    assert [message for message, _ in missing(result)] == expected


def test_a_redacted_dump_still_tells_of_which_kind_there_is_nothing(fleet: FleetFolder) -> None:
    fleet.driver("nic", SIGNED)
    dump(fleet.root.parent / "dump.yaml", MODULE, {"apiVersion": "v1", "kind": "SecretList", "items": []})
    redacted = run("facts", "redact", "dump.yaml", cwd=fleet.root.parent)
    assert "1 object, 0 Secrets redacted" in redacted.stderr
    (fleet.root.parent / "dump.yaml").write_text(redacted.stdout)
    result = check(fleet.root, "--facts", "../dump.yaml", "--format", "json")
    assert [message for message, _ in missing(result)] == [NO_CERT, NO_KEY]


def test_an_object_whose_kind_only_sounds_like_a_list_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: x/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {}\n")
    assert "0 objects checked, 1 without rules" in check(tmp_path, "a.yaml").stderr
