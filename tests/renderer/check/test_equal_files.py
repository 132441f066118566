"""Files of equal text, as clusters that are alike have them, are parsed and judged once; each is told as if alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodgate.policy import engine
from tests.command import run
from tests.fleets import git
from tests.renderer.check.dumps import dump
from tests.renderer.checking import BAD, GOOD, findings

MODULE = yaml.safe_load(GOOD)
DOCKERFILE = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: df, namespace: drivers}\ndata: {dockerfile: 'FROM a:1'}\n"
)
SITE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ims-config, namespace: services}\ndata: {DEFAULT_IMS_JOB_MEM_SIZE: x}\n"
TEXTS = {
    "good.yaml": GOOD,
    "bad.yaml": BAD,
    "two.yaml": f"{BAD}\n---\n{DOCKERFILE}",
    "open.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a\n",
    "site.yaml": SITE,
    "list.json": json.dumps({"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(BAD)]}),
    "values.yaml": "image: {tag: a}\n",
}


def told(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    return findings(run("check", *arguments, "--format", "json", cwd=folder))


@pytest.fixture
def clusters(tmp_path: Path) -> Path:
    for cluster in "abc":
        (tmp_path / cluster).mkdir()
        for name, text in TEXTS.items():
            (tmp_path / cluster / name).write_text(text)
    return tmp_path


def of_files(found: list[dict[str, Any]]) -> list[str]:
    """What refuses or warns; what is not checked is told once for all files."""
    return sorted(json.dumps(item, sort_keys=True) for item in found if item["mode"] in ("enforce", "warn"))


@pytest.mark.parametrize("facts", [False, True])
def test_each_file_has_the_findings_that_it_has_alone(clusters: Path, tmp_path_factory: Any, facts: bool) -> None:
    known = tmp_path_factory.mktemp("dump") / "dump.yaml"
    dump(known, MODULE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "drivers"}})
    more = ["--facts", str(known)] if facts else []
    together = told(clusters, ".", *more)
    assert {item["file"] for item in together if item["rule"] == "KMM203"} == {
        f"{cluster}/{name}" for cluster in "abc" for name in ("bad.yaml", "two.yaml", "list.json")
    }
    assert of_files(together) == of_files([item for cluster in "abc" for item in told(clusters, cluster, *more)])


def test_equal_files_of_different_pasts_are_judged_apart(tmp_path: Path) -> None:
    for cluster, version in (("a", "1"), ("b", "2"), ("c", "2")):
        (tmp_path / cluster).mkdir()
        module = yaml.safe_load(GOOD)
        module["spec"]["moduleLoader"]["container"]["version"] = version
        (tmp_path / cluster / "nic.yaml").write_text(yaml.safe_dump(module))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    without = yaml.safe_dump(MODULE)
    for cluster in "abc":
        (tmp_path / cluster / "nic.yaml").write_text(without)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "nic.yaml").write_text(without)
    together = told(tmp_path, ".")
    apart = [item for cluster in "abcd" for item in told(tmp_path, cluster)]
    assert of_files(together) == of_files(apart)
    assert {item["file"][0] for item in together if item["rule"].startswith("KMM6")} == set("abc")


def test_rules_are_asked_once_for_equal_files(clusters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    judge = engine.Engine.judge

    def counted(self: engine.Engine, review: Any) -> Any:
        asked.append(review.object["kind"])
        return judge(self, review)

    monkeypatch.setattr(engine.Engine, "judge", counted)
    told(clusters, ".")
    assert asked.count("Module") == 4  # good, bad, two, list
