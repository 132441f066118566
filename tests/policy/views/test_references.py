"""What a Module names of its namespace, and what for."""

from __future__ import annotations

from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.references import references
from tests.webhook.manifests import module


def test_each_object_that_a_module_names_is_found_with_its_role() -> None:
    item = module(1)
    item["spec"]["imageRepoSecret"] = {"name": "robot"}
    item["spec"]["devicePlugin"]["serviceAccountName"] = "plugin"
    mapping = item["spec"]["moduleLoader"]["container"]["kernelMappings"][0]
    mapping["build"] = {"dockerfileConfigMap": {"name": "text"}, "secrets": [{"name": "token"}, {"name": ""}]}
    mapping["sign"] = {"keySecret": {"name": "key"}, "certSecret": {"name": "cert"}}
    item["spec"]["moduleLoader"]["serviceAccountName"] = "loader"

    found = {(reference.kind, reference.name, reference.role) for reference in references(ModuleView(item))}

    assert found >= {
        ("Secret", "robot", "pull secret"),
        ("ConfigMap", "text", "Dockerfile"),
        ("Secret", "token", "build secret"),
        ("Secret", "key", "signing key"),
        ("Secret", "cert", "certificate"),
        ("ServiceAccount", "loader", "account"),
        ("ServiceAccount", "plugin", "account"),
    }
    assert "" not in {name for _, name, _ in found}


def test_a_reference_stands_where_its_name_is_written() -> None:
    item = module(1)
    item["spec"]["imageRepoSecret"] = {"name": "robot"}
    (pull,) = [reference for reference in references(ModuleView(item)) if reference.role == "pull secret"]
    assert (*pull.part.path, pull.key) == ("spec", "imageRepoSecret", "name")
