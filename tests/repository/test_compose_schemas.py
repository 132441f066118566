"""`tools.compose_schemas`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest

from tests.objects.plain_module import Json
from tools import compose_schemas, kubernetes_types

TINY: kubernetes_types.Definitions = {
    "io.k8s.A": {
        "description": "d",
        "type": ["object", "null"],
        "properties": {"description": {"$ref": "#/x/io.k8s.B"}},
    },
    "io.k8s.B": {"type": "string", "x-kubernetes-map-type": "atomic"},
    "io.k8s.Loop": {"properties": {"a": {"items": {"$ref": "#/x/io.k8s.Loop"}}}},
}


def test_the_committed_schemas_are_composed() -> None:
    assert compose_schemas.main(["--check"]) == 0


def test_check_names_what_lags_and_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "kmodgate.io" / "a.json"
    file.parent.mkdir()
    text = '{"é": {"$ref": "#/definitions/io.k8s.api.core.v1.Toleration"}, "definitions": {"z": {}, "io.k8s.old": {}, "b": {}}}'
    file.write_text(text, encoding="utf-8")
    ((lagging, wanted),) = compose_schemas.lagging(tmp_path, kubernetes_types.kubernetes_definitions())
    assert (lagging, file.read_text(encoding="utf-8")) == (file, text)
    assert list(json.loads(wanted)["definitions"]) == ["z", "b", "io.k8s.api.core.v1.Toleration"]
    assert "é" in wanted
    assert compose_schemas.composed(wanted, "kmodgate.io", kubernetes_types.kubernetes_definitions()) == wanted


def test_prose_and_nulls_go_but_a_field_called_description_stays() -> None:
    inlined = kubernetes_types.Inliner(TINY, nulls=False).definition("io.k8s.A")
    assert inlined == {"type": "object", "properties": {"description": {"type": "string"}}}


def test_a_type_that_contains_itself_is_an_error() -> None:
    with pytest.raises(kubernetes_types.ComposeError, match=r"io\.k8s\.Loop contains itself"):
        kubernetes_types.Inliner(TINY, nulls=True).definition("io.k8s.Loop")


def test_an_unknown_type_is_an_error() -> None:
    with pytest.raises(kubernetes_types.ComposeError, match=r"has no type io\.k8s\.api\.core\.v1\.Volum$"):
        compose_schemas.composed(
            '{"$ref": "#/definitions/io.k8s.api.core.v1.Volum"}',
            "kmodgate.io",
            kubernetes_types.kubernetes_definitions(),
        )


def test_a_schema_that_cannot_be_rewritten_without_loss_is_an_error() -> None:
    with pytest.raises(kubernetes_types.ComposeError, match="repeated key: 'a'"):
        compose_schemas.composed('{"a": 1, "a": 2}', "kmodgate.io", {})


def test_kinds_for_kubeconform_are_complete_and_strict() -> None:
    texts = compose_schemas.kubeconform_schemas(kubernetes_types.kubernetes_definitions())
    assert {"v1/namespace_v1.json", "apps/daemonset_v1.json", "rbac.authorization.k8s.io/role_v1.json"} < set(texts)
    assert len(texts) == 19
    assert not any("$ref" in text for text in texts.values())
    daemonset = jsonschema_rs.Draft7Validator(json.loads(texts["apps/daemonset_v1.json"]))
    container = {"name": "a", "resources": {"limits": {"cpu": 0.5, "memory": "1Gi"}}}
    assert daemonset.is_valid(a_daemonset(container))
    assert not daemonset.is_valid(a_daemonset({**container, "imagee": "b"}))
    assert not daemonset.is_valid(a_daemonset({**container, "resources": {"limits": {"memory": "1Gb"}}}))


def a_daemonset(container: Json) -> Json:
    template = {"spec": {"containers": [container]}}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "spec": {"selector": {}, "template": template}}
