"""A contract of import-linter: folders import each other one way, also over a third one and between parent and child.

The contracts that come with it compare siblings, so a folder may import a child that imports it. Files that lie
directly in a part are ordered one by one, by the layers of that part.
"""

from __future__ import annotations

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OneWayFolders(Contract):
    """Folders below each of `parts` are in an order: none imports one that imports it."""

    parts = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Report the imports of the first circle of folders that is found."""
        imports = self._between_folders(graph)
        used = defaultdict(set)
        for importer, imported in imports:
            used[importer].add(imported)
        try:
            TopologicalSorter(used).prepare()
        except CycleError as error:
            circle = pairwise(reversed(error.args[1]))
            return ContractCheck(kept=False, metadata={"imports": [min(imports[pair]) for pair in circle]})
        return ContractCheck(kept=True)

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one import for each step of the circle."""
        output.print_error("Folders import each other in a circle:")
        for importer, imported in check.metadata["imports"]:
            output.print_error(f"  {importer} -> {imported}")

    def _between_folders(self, graph: ImportGraph) -> dict[tuple[str, str], list[tuple[str, str]]]:
        between = defaultdict(list)
        for part in self.parts:
            for importer in graph.find_descendants(part):
                inside = {
                    name for name in graph.find_modules_directly_imported_by(importer) if name.startswith(f"{part}.")
                }
                for imported in inside:
                    pair = self._folder(graph, importer), self._folder(graph, imported)
                    if pair[0] != pair[1]:
                        between[pair].append((importer, imported))
        return between

    def _folder(self, graph: ImportGraph, module: str) -> str:
        parent = module.rpartition(".")[0]
        return module if graph.find_children(module) or parent in self.parts else parent
