"""Facts from a dump of a cluster, for a server that runs without one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.formats.object_files import MOST_BYTES, Source, decoded, object_files, parse_objects, unreadable


class BadSnapshot(Exception):
    """A dump that cannot be read; the message has a line for each thing that is wrong."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = findings
        super().__init__("\n".join(f"{_place(item)}: {item.message}" for item in findings))


def _place(finding: Finding) -> str:
    """A file that could not be read at all has no line."""
    return f"{finding.file}:{finding.line}" if finding.line else finding.file


def read_snapshot(path: str) -> Dump:
    """The dump in a file, or below a folder, as `kmodgate check --facts` reads it.

    Where it holds a List, there are no Modules and no NodeModulesConfigs but those that it holds: a List of several
    kinds does not tell which were asked for, and of these two a cluster may have none. Raises BadSnapshot, where
    nothing was read, too.
    """
    findings: list[Finding] = []
    lists: list[str] = []
    dump = Dump()
    for name in _files(path):
        dump.add(_objects(name, findings, lists), lists)
    if not findings and not dump.objects and not lists:
        findings.append(
            Finding("SCH102", "no object and no List", "dump a cluster with kubectl get -o yaml", file=path, line=1)
        )
    if "List" in lists:
        dump.complete |= {"Module", "NodeModulesConfig"}
    enforced = [finding for finding in findings if finding.mode is Mode.ENFORCE]
    if enforced:
        raise BadSnapshot(enforced)
    return dump


def _objects(name: str, findings: list[Finding], lists: list[str]) -> Iterator[Source]:
    try:
        with open(name, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        findings.append(unreadable(error, name))
        return
    text = decoded(data, name, findings)
    if text is not None:
        for source in parse_objects(text, name, findings, lists):
            if str(source.value["kind"]).endswith("List") and "items" in source.value:
                line, _ = source.position(())
                findings.append(Finding("SCH102", "items is no list", "give the List as it was", file=name, line=line))
            yield source


def _files(path: str) -> Iterator[str]:
    """The files of objects below a folder in a fixed order, outside dot folders; a file as itself."""
    if not os.path.isdir(path):
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(folder, name) for name in object_files(names))
