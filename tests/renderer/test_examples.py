"""The examples: they render to their golden trees, validate, and together show every field of the specs."""

from __future__ import annotations

import difflib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import jsonschema_rs
import pytest
import yaml

from kmodgate import schemas
from tests.command import run
from tests.conftest import CASES, EXAMPLES, HANDOVERS, ROOT, Kmodgate

SPEC_KINDS = {"KernelDriver", "Cluster", "ImageService"}

_MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)")


def _specs() -> list[Path]:
    """The files of all examples that hold specs; the others are objects that a driver attaches."""
    files = (path for name in EXAMPLES for path in sorted((ROOT / "examples" / name).rglob("*.yaml")))
    return [path for path in files if "kmodgate.io/v1alpha1" in path.read_text(encoding="utf-8")]


SPECS = _specs()


def _documents(path: Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def _schema(kind: str) -> dict:
    return json.loads(schemas.read(schemas.KINDS[kind]))


@pytest.fixture(params=SPECS, ids=lambda path: path.relative_to(ROOT / "examples").as_posix())
def spec(request: pytest.FixtureRequest) -> Path:
    return request.param


# -- what they render to --------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_renders_to_its_golden_tree(
    name: str, tmp_path: Path, kmodgate: Kmodgate, update_golden: bool
) -> None:
    result = kmodgate("render", f"examples/{name}", "--output", tmp_path / "rendered")
    assert result.returncode == 0, result.stderr

    for golden, found in ((CASES / name, tmp_path / "rendered"), (HANDOVERS / name, tmp_path / "handover")):
        if update_golden:
            shutil.rmtree(golden, ignore_errors=True)
            if found.exists():
                shutil.copytree(found, golden)
        difference = _difference(_tree(golden), _tree(found))
        assert not difference, f"{difference}\n\nif this is what users should get: make golden"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_rendered_example_is_up_to_date(name: str, tmp_path: Path, kmodgate: Kmodgate) -> None:
    kmodgate("render", f"examples/{name}", "--output", tmp_path / "rendered")

    result = kmodgate("render", f"examples/{name}", "--output", tmp_path / "rendered", "--check")

    assert (result.returncode, result.stdout) == (0, ""), result.stderr


def test_every_golden_tree_is_that_of_an_example() -> None:
    assert sorted(path.name for path in CASES.iterdir()) == EXAMPLES
    assert {path.name for path in HANDOVERS.iterdir()} <= {*EXAMPLES}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_says_in_its_readme_how_to_render_it(name: str) -> None:
    assert f"kmodgate render examples/{name}\n" in (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")


def _tree(folder: Path) -> dict[str, bytes]:
    """Every file below the folder, also those that start with a dot: path → content."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _difference(expected: dict[str, bytes], found: dict[str, bytes]) -> str:
    """The paths that differ, then the texts that changed; empty if the trees are the same."""
    words = {(True, False): "missing", (False, True): "extra", (True, True): "changed"}
    paths = [path for path in sorted(expected.keys() | found.keys()) if expected.get(path) != found.get(path)]
    lines = [f"{words[path in expected, path in found]}: {path}" for path in paths]
    for path in sorted(expected.keys() & found.keys() & set(paths)):
        texts = (tree[path].decode("utf-8", "replace").splitlines() for tree in (expected, found))
        lines += difflib.unified_diff(*texts, f"golden/{path}", f"rendered/{path}", lineterm="")
    return "\n".join(lines)


# -- the specs as files ---------------------------------------------------------------------------


def test_the_first_line_of_a_spec_leads_editors_to_its_schema(spec: Path) -> None:
    line = _MODELINE.fullmatch(spec.read_text(encoding="utf-8").split("\n")[0])
    assert line, "the first line is no yaml-language-server comment"

    schema = (spec.parent / line[1]).resolve()

    assert {schema} == {schemas.path(schemas.KINDS[document["kind"]]) for document in _documents(spec)}
    assert schema.is_file()


def test_a_spec_is_marked_as_not_for_the_cluster(spec: Path) -> None:
    for document in _documents(spec):
        assert document["metadata"]["annotations"]["config.kubernetes.io/local-config"] == "true"


def test_a_spec_validates(spec: Path) -> None:
    for document in _documents(spec):
        schema = _schema(document["kind"])
        errors = [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(document)]
        errors += [error.message for error in jsonschema_rs.Draft7Validator(schema).iter_errors(document)]
        assert not errors


# -- every field is shown -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(SPEC_KINDS))
def test_every_field_of_a_spec_is_in_an_example(kind: str) -> None:
    shown = {path for path, _ in _shown(kind)}

    missing = [path for path, _ in _fields(_schema(kind)) if path not in shown]

    assert not missing, f"no example has: {', '.join(missing)}"


@pytest.mark.parametrize("kind", sorted(SPEC_KINDS))
def test_every_choice_of_a_field_is_in_an_example(kind: str) -> None:
    # By the field's own name: a pull policy is explained once, and not for every container that has one.
    shown = {(path.rpartition(".")[2], value) for path, value in _shown(kind)}
    choices = {(path.rpartition(".")[2], choice) for path, choices in _fields(_schema(kind)) for choice in choices}

    missing = [f"{name}: {choice}" for name, choice in sorted(choices - shown)]

    assert not missing, f"no example has: {', '.join(missing)}"


def _shown(kind: str) -> set[tuple[str, object]]:
    """Path and value of every field and item of the examples' specs; the value of a map or list is None."""
    documents = (document for path in SPECS for document in _documents(path) if document["kind"] == kind)
    return {pair for document in documents for pair in _walk(document, "")}


def _walk(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            below = f"{path}.{key}".lstrip(".")
            yield below, None if isinstance(item, dict | list) else item
            yield from _walk(item, below)
    elif isinstance(value, list):
        for item in value:
            yield f"{path}[]", None if isinstance(item, dict | list) else item
            yield from _walk(item, f"{path}[]")


def _fields(schema: dict) -> Iterator[tuple[str, list[str]]]:
    """Path and choices of every property of our own; what lies below a type of Kubernetes is not ours."""

    def properties(node: dict, path: str) -> Iterator[tuple[str, list[str]]]:
        node = resolved(node)
        for name, child in node.get("properties", {}).items():
            below = f"{path}.{name}".lstrip(".")
            yield below, resolved(child).get("enum", [])
            yield from properties(child, below)
        if "items" in node:
            yield from properties(node["items"], f"{path}[]")

    def resolved(node: dict) -> dict:
        name = node.get("$ref", "").rpartition("/")[2]
        if not name:
            return node
        return {} if name.startswith("io.k8s.") else resolved(schema["definitions"][name])

    return properties(schema, "")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_passes_the_check(example: str) -> None:
    """Also those that use every field, and with the facts that their clusters give; the strict profile may object."""
    result = run("check", f"examples/{example}", "--format", "json", cwd=ROOT)
    assert result.returncode == 0, result.stdout
    assert "the rule failed" not in result.stdout
