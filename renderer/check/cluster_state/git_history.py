"""Objects as their files had them at a git revision: what an update is compared with, and what has gone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kmodgate.policy.cluster.facts import Facts, SnapshotFacts
from kmodgate.policy.findings import title
from kmodgate.policy.formats.object_files import SUFFIXES, Source, parse_objects
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.renderer import git
from kmodgate.renderer.check.inputs.default_namespace import in_namespace
from kmodgate.renderer.check.inputs.object_inputs import STDIN

_NOWHERE = Path()
"""Stands for what lies in no repository."""

Objects = dict[str, dict[str, Any]]
"""Objects by kind, namespace and name."""


class Past:
    """The repositories around some files, each read once; without a revision it is HEAD, if there is one."""

    def __init__(self, against: str | None, namespace: str = "") -> None:
        """`namespace` is that of objects that name none."""
        self._against = against
        self._namespace = namespace
        self._folders: dict[str, str] = {}
        self._tops: dict[str, Path | None] = {}
        self._revisions: dict[Path, tuple[git.Revision | None, set[Path]]] = {}
        self._files: dict[Path, Objects] = {}
        self._known: dict[str, Objects] = {}
        self._same: set[str] = set()
        self._left: dict[Path, list[tuple[str, dict[str, Any]]]] = {}

    def is_in_git(self, name: str) -> bool:
        """Whether a file lies in a repository."""
        return name != STDIN and self._top(self._folder(name)) is not None

    def objects(self, name: str) -> Objects:
        """The objects of a file as they were, of deleted files for a file that is new; none if it is as it was."""
        if name not in self._known:
            self._known[name] = {} if name == STDIN else self._as_it_was(name)
        return self._known[name]

    def facts(self, sources: Sequence[Source]) -> Facts | None:
        """What the objects were like, those that have not changed included; None where none of their files has."""
        old = {source.file: self.objects(source.file) for source in sources}
        if not any(old.values()):
            return None
        same = (source.value for source in sources if source.file in self._same)
        return SnapshotFacts([*same, *(item for found in old.values() for item in found.values())])

    def _as_it_was(self, name: str) -> Objects:
        folder = self._folder(name)
        revision, changed = self._revision(folder)
        if revision is None:
            return {}
        place = Path(os.path.realpath(os.path.join(folder, os.path.basename(name))))
        if place in changed and place in revision.files:
            return self._kept(revision, place, name)
        if place in revision.files:
            self._same.add(name)
            return {}
        deleted = self._deleted(revision)
        return {title(item): item for _, item in deleted}

    def _folder(self, name: str) -> str:
        """The folder of a file, without links."""
        folder = os.path.dirname(name)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return self._folders[folder]

    def _kept(self, revision: git.Revision, place: Path, name: str) -> Objects:
        if place not in self._files:
            self._files[place] = self._objects(revision.text(place) or "", name)
        return self._files[place]

    def gone(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """File and object of everything in files below a folder that are no more."""
        revision, _ = self._revision(os.path.realpath(folder))
        if revision is not None:
            below = f"{os.path.realpath(folder)}{os.sep}"
            yield from ((file, item) for file, item in self._deleted(revision) if file.startswith(below))

    def _deleted(self, revision: git.Revision) -> list[tuple[str, dict[str, Any]]]:
        if revision.top not in self._left:
            changed = self._revisions[revision.top][1]
            names = [str(path) for path in sorted(changed) if path.suffix in SUFFIXES and not path.exists()]
            self._left[revision.top] = [
                (name, item) for name in names for item in self._objects(revision.text(Path(name)) or "", name).values()
            ]
        return self._left[revision.top]

    def _top(self, folder: str) -> Path | None:
        return git.top_of(folder, self._tops)

    def _revision(self, folder: str) -> tuple[git.Revision | None, set[Path]]:
        top = self._top(folder)
        key = top or _NOWHERE
        if key not in self._revisions:
            revision = git.revision(folder, self._against)
            self._revisions[key] = (revision, revision.changed(str(revision.top))) if revision else (None, set())
        return self._revisions[key]

    def _objects(self, text: str, name: str) -> Objects:
        values = (in_namespace(source.value, self._namespace) for source in parse_objects(text, name, []))
        return {title(value): defaulted(value) for value in values}
