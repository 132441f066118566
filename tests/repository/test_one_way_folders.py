"""The contract of import-linter that no two folders of a part import each other."""

from __future__ import annotations

import pytest
from grimp import ImportGraph

from tools.one_way_folders import OneWayFolders


def _imports_in_a_circle(*imports: tuple[str, str]) -> list[tuple[str, str]] | None:
    graph = ImportGraph()
    for module in {name for pair in imports for name in pair}:
        names = module.split(".")
        for end in range(1, len(names) + 1):
            graph.add_module(".".join(names[:end]))
    for importer, imported in imports:
        graph.add_import(importer=importer, imported=imported)
    contract = OneWayFolders("", {}, {"parts": ["k.part"]})
    return contract.check(graph, verbose=False).metadata.get("imports")


def test_a_folder_may_import_its_child_or_be_imported_by_it() -> None:
    assert _imports_in_a_circle(("k.part.a.x", "k.part.a.child.y"), ("k.part.a.child.y", "k.part.b.z")) is None
    assert _imports_in_a_circle(("k.part.a.child.y", "k.part.a.x"), ("k.part.b.z", "k.part.a.child.y")) is None


@pytest.mark.parametrize(
    "imports",
    [
        [("k.part.a.x", "k.part.b.y"), ("k.part.b.z", "k.part.a.w")],
        [("k.part.a.x", "k.part.a.child.y"), ("k.part.a.child.z", "k.part.a.w")],
        [("k.part.a.x", "k.part.b.y"), ("k.part.b.z", "k.part.c.v"), ("k.part.c.u", "k.part.a.w")],
    ],
    ids=["siblings", "parent and child", "over a third one"],
)
def test_folders_that_import_each_other_are_named_by_their_imports(imports: list[tuple[str, str]]) -> None:
    found = _imports_in_a_circle(*imports)
    assert found is not None
    assert sorted(found) == sorted(imports)


def test_files_directly_in_a_part_are_left_to_its_layers() -> None:
    assert _imports_in_a_circle(("k.part.x", "k.part.a.y"), ("k.part.a.z", "k.part.w")) is None
