"""Checks of the API server beside the schema of a Module."""

from __future__ import annotations

import pytest

from kmodgate.policy.kmm.api_checks import MAX_ANNOTATIONS, structure_findings
from tests.objects.plain_module import Json, module, with_metadata


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (with_metadata(name="Bad_Name"), "metadata.name"),
        (with_metadata(name=""), "metadata.name"),
        (with_metadata(name="x" * 254), "metadata.name"),
        (with_metadata(name="", generateName="a..b"), "metadata.generateName"),
        (with_metadata(name="", generateName="--"), "metadata.generateName"),
        (with_metadata(namespace=""), "metadata.namespace"),
        (with_metadata(namespace="a.b"), "metadata.namespace"),
        (with_metadata(labels={"A/b": "c"}), "metadata.labels.A/b"),
        (with_metadata(labels={"a": "b c"}), "metadata.labels.a"),
        (with_metadata(annotations={"a b": "c"}), "metadata.annotations.a b"),
        (with_metadata(annotations={"a": "é" * (MAX_ANNOTATIONS // 2)}), "metadata.annotations"),
        (module(dra={}, devicePlugin={}), "spec"),
        (module(dra={"container": {"resources": {"claims": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}}}), "spec.dra.container.resources.claims.2.name"),
    ],
)  # fmt: skip
def test_a_problem_beside_the_schema(document: Json, path: str) -> None:
    (problem,) = structure_findings(document)
    assert ".".join(map(str, problem.path)) == path
    assert problem.message
    assert problem.fix
    assert len(problem.message) < 200


@pytest.mark.parametrize(
    "document",
    [
        with_metadata(),
        with_metadata(name="", generateName="simple-kmod-"),
        with_metadata(labels={"a/b": "", "c": "D"}, annotations={"Example.COM/a": "any text\n"}),
        with_metadata(annotations={"a": "b" * (MAX_ANNOTATIONS - 1)}),
        module(dra={}),
        {**module(), "spec": "of the wrong type"},
        {**module(), "spec": {"dra": {"container": {"resources": {"claims": [1, None, {}, {}, {"name": []}]}}}}},
    ],
)
def test_no_problem_beside_the_schema(document: Json) -> None:
    assert list(structure_findings(document)) == []
