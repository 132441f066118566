"""A dump of a cluster from files or folders, as `kubectl get -o yaml` or `-o json` writes it."""

from __future__ import annotations

import os

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.findings import Finding
from kmodgate.renderer.check.object_inputs import STDIN, files_below, read_objects
from kmodgate.renderer.errors import Unusable, refuse_enforced


def read_dump(*paths: str) -> Dump:
    """The dump in files or below folders, whatever the files are called.

    Raises Refused for files that are none, and Unusable for a place that is not there.
    """
    findings: list[Finding] = []
    dump = Dump()
    for path in paths:
        if path == STDIN:
            raise Unusable("--facts - is stdin, and facts are a file or a folder", "write the dump to a file first")
        if not os.path.exists(path):
            raise Unusable(f"--facts {path}: there is no such file or folder", "correct the path")
        for name in files_below(path):
            dump.add(read_objects(name, findings))
    refuse_enforced(findings, outcome="nothing was checked")
    return dump
