"""Objects that stand twice in what is applied as one: a file, stdin, or the rendered folder of one cluster."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import Finding, Mode, Severity, title
from kmodgate.policy.formats.object_files import Source
from kmodgate.renderer.check.inputs.object_inputs import STDIN
from kmodgate.renderer.manifests.manifest import Identity, identity_of
from kmodgate.renderer.tree.index import INDEX


class Duplicates:
    """What was met already, by the place that it is applied from."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, Identity], Source] = {}
        self._read: set[str] = set()
        self._rendered: dict[str, str] = {}

    def of(self, name: str, sources: Iterable[Source], clusters: tuple[str, ...]) -> Iterator[Finding]:
        """The objects of a file that stand elsewhere in the same place; a file that is named again is the same."""
        place = name if name == STDIN else os.path.abspath(name)
        if place in self._read:
            return
        self._read.add(place)
        scope = STDIN if name == STDIN else self._rendered_folder(os.path.dirname(place)) or place
        for source in sources:
            metadata = metadata_of(source.value)
            if metadata.get("name"):
                identity = identity_of(source.value | {"metadata": dict(metadata)})
                first = self._met.setdefault((scope, identity), source)
                if first is not source:
                    yield _finding(source, first, clusters)

    def _rendered_folder(self, folder: str) -> str:
        """The folder of a cluster that kmodgate has rendered around a folder, if there is one."""
        if folder not in self._rendered:
            above = os.path.dirname(folder)
            if os.path.exists(os.path.join(folder, INDEX)):
                self._rendered[folder] = folder
            else:
                self._rendered[folder] = "" if above == folder else self._rendered_folder(above)
        return self._rendered[folder]


def _finding(source: Source, first: Source, clusters: tuple[str, ...]) -> Finding:
    path = ("metadata", "name")
    line, column = source.position(path)
    before, _ = first.position(path)
    where = f"{_shown(first.file)}:{before}" if before else _shown(first.file)
    return Finding(
        "GIT004",
        f"stands a second time, after {where}: only one of the two is applied",
        "keep it in one place",
        object=title(source.value),
        field="metadata.name",
        severity=Severity.WARNING,
        file=_shown(source.file),
        line=line,
        column=column,
        mode=Mode.WARN,
        clusters=clusters,
    )


def _shown(file: str) -> str:
    return "<stdin>" if file == STDIN else file
