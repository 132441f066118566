"""The check gate: specs, trees and any other Kubernetes objects → what the rules say of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from policy.engine import Engine, Review
from policy.findings import FieldPath, Finding, format_path, sort_findings
from policy.kmm.versions import Release
from policy.normalise import defaulted
from renderer.errors import Unusable
from renderer.files import MARKER
from renderer.load import is_spec, load_fleet, object_schema
from renderer.objects import STDIN, Source, files_below, read_objects
from renderer.render import compile_fleet

_OUTPUT = "rendered"


@dataclass(slots=True)
class Checked:
    """What was looked at, and everything that was found, sorted by place."""

    findings: list[Finding] = field(default_factory=list)
    objects: int = 0


class Checker:
    """Judges paths one after the other; a fleet is loaded once, whichever of its files are asked for."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.result = Checked()
        self._fleets: dict[Path, list[Finding]] = {}

    def check(self, paths: Iterable[str]) -> Checked:
        """Raises Unusable for a path that does not exist."""
        for path in paths:
            self._path(path)
        self.result.findings = sort_findings(self.result.findings)
        return self.result

    def _path(self, path: str) -> None:
        if path != STDIN and not os.path.exists(path):
            raise Unusable(f"{path}: there is no such file or folder", "correct the path; - is stdin")
        root = None if path == STDIN else _fleet_of(Path(path))
        if root is not None and (os.path.isdir(path) or is_spec(Path(path))):
            self._specs(root, path)
            return
        for name in [path] if path == STDIN else _outside_fleets(path):
            if (inner := Path(name)).name == MARKER:
                self._specs(inner.parent, str(inner.parent))
            else:
                self._objects(name)

    def _specs(self, root: Path, path: str) -> None:
        """The findings of a fleet that lie in a file or folder of it, by names that begin with `path`."""
        if root.absolute() not in self._fleets:
            self._fleets[root.absolute()] = list(self._fleet(root))
        for finding in self._fleets[root.absolute()]:
            below = os.path.relpath(root / finding.file, path)
            if not below.startswith(".."):
                name = path if below == "." else os.path.join(path, below)
                self.result.findings.append(replace(finding, file=os.path.normpath(name)))

    def _fleet(self, root: Path) -> Iterator[Finding]:
        findings: list[Finding] = []
        fleet = load_fleet(root, root / _OUTPUT, findings)
        _, compiled = compile_fleet(fleet, findings, self.engine)
        self.result.objects += sum(len(placed) for placed in compiled.values())
        yield from findings

    def _objects(self, name: str) -> None:
        for source in read_objects(name, self.result.findings):
            self.result.objects += 1
            self.result.findings += self._judged(source)

    def _judged(self, source: Source) -> Iterator[Finding]:
        value = defaulted(source.value)
        review = Review(value, release=Release("head"), schema=object_schema(value))
        for finding, path in self.engine.judge(review):
            yield _placed(finding, path, source)


def _placed(finding: Finding, path: FieldPath, source: Source) -> Finding:
    line, column = source.position(path)
    name = "<stdin>" if source.file == STDIN else source.file
    return replace(finding, field=format_path(path) or finding.field, file=name, line=line, column=column)


def _fleet_of(path: Path) -> Path | None:
    """The root of the fleet whose specs may lie at a path; a rendered tree is no place for them."""
    here = path.absolute()
    for folder in (here, *here.parents):
        if (folder / MARKER).is_file():
            in_tree = here.is_relative_to(folder / _OUTPUT)
            return None if in_tree else Path(os.path.relpath(folder))
    return None


def _outside_fleets(path: str) -> Iterator[str]:
    """The files below a path; of a fleet only its marker."""
    fleets: dict[str, bool] = {}
    for name in files_below(path):
        folder = os.path.dirname(name)
        if folder not in fleets:  # the folder above comes first
            fleets[folder] = fleets.get(os.path.dirname(folder), False) or os.path.exists(os.path.join(folder, MARKER))
        if not fleets[folder] or (os.path.basename(name) == MARKER and not fleets.get(os.path.dirname(folder))):
            yield name
