"""Old objects of wrong types everywhere: import refuses or lists them, and never fails."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.object_files import parse_objects
from kmodgate.renderer.errors import Refused, Unusable
from kmodgate.renderer.importer.importing import import_objects
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.importer.translating.draft import Wishes
from kmodgate.renderer.importer.translations import translate
from kmodgate.renderer.manifests.manifest import identity_of
from tests.conftest import ROOT
from tests.renderer.importer.translating import test_daemon_sets, test_ooto_modules, test_special_resources
from tests.renderer.importer.translating.old_objects import Object

WRONG = [
    None,
    True,
    7,
    -1,
    2.5,
    "",
    "x" * 300,
    "$(",
    "a\nb",
    [],
    [None],
    ["x"],
    {},
    {"name": None},
    {"name": 7},
    [{"name": "a"}],
]
SETS: dict[str, list[Object]] = {
    "ooto": [test_ooto_modules.old(
        additionalVolumes=[{"name": "conf", "configMap": {"name": "a"}}], serviceAccountName="nic",
        devicePlugin={"image": "quay.io/acme/p:1", "volumeMounts": [{"name": "conf", "mountPath": "/etc/conf"}]},
        build={"dockerfile": "FROM a\n", "buildArgs": [{"name": "A", "value": "b"}], "push": {"insecure": True}},
        imagePullSecret={"name": "pull"})],
    "DaemonSets": [test_daemon_sets.daemon_set(**test_daemon_sets.SHAPES["a script in a ConfigMap"]),
                   test_daemon_sets.SCRIPT, *test_daemon_sets.per_kernel()],
    "SpecialResource": [test_special_resources.RESOURCE, test_special_resources.BUILD, test_special_resources.LOADER],
}  # fmt: skip


def objects(values: list[Object]) -> Objects:
    """The objects as a file of JSON holds them."""
    findings: list[Finding] = []
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": values})
    found = [Found(source, identity_of(source.value)) for source in parse_objects(text, "objects.json", findings)]
    return {item.identity: item for item in found if item.identity.name}


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in paths(item, (*path, key)))]


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("delivery", ["daemonset", "kmm"])
@given(data=st.data())
def test_wrong_types_are_refused_or_listed(kind: str, delivery: str, data: st.DataObject) -> None:
    values = copy.deepcopy(SETS[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        value = data.draw(st.sampled_from(values))
        below = [path for path in paths(value) if len(path) > 1 and path[0] in ("spec", "data", "metadata")]
        path = data.draw(st.sampled_from(below or [("spec",)]))
        level = value
        for key in path[:-1]:
            level = level[key]
        level[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(WRONG)))
    with contextlib.suppress(Refused, Unusable):
        translated = translate({"paris": objects(values)}, {"paris": ["objects.json"]}, Wishes("drivers", delivery))
        import_objects(ROOT / "nonexistent", translated, everywhere=False, all_dockerfiles=False)
