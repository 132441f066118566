"""A dump of a cluster, as `kubectl get -o yaml` or `-o json` writes it: facts for the check, and taking secrets out."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from policy.facts import Facts, SnapshotFacts
from policy.findings import Finding
from renderer.errors import Unusable, refuse_enforced
from renderer.objects import STDIN, files_below, read_objects

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)


@dataclass
class Dump:
    """All objects of a dump, and the kinds of which it holds a List, so that no object of them is missing."""

    objects: list[dict[str, Any]] = field(repr=False)
    complete: set[str]

    @cached_property
    def facts(self) -> Facts:
        return SnapshotFacts(self.objects, self.complete)


def read_dump(*paths: str) -> Dump:
    """The dump in files or below folders, whatever the files are called.

    Raises Refused for files that are none, and Unusable for a place that is not there.
    """
    findings: list[Finding] = []
    dump = Dump([], set())
    for path in paths:
        if path == STDIN:
            raise Unusable("--facts - is stdin, and facts are a file or a folder", "write the dump to a file first")
        if not os.path.exists(path):
            raise Unusable(f"--facts {path}: there is no such file or folder", "correct the path")
        for name in files_below(path):
            for source in read_objects(name, findings):
                dump.objects.append(source.value)
                if source.prefix:  # an item of a List: kubectl lists all that there are
                    dump.complete.add(str(source.value["kind"]))
    refuse_enforced(findings, outcome="nothing was checked")
    return dump


def redacted(item: Mapping[str, Any]) -> dict[str, Any]:
    """The object without what is secret: of a Secret its type, the names of its keys, and certificates stay."""
    if item.get("kind") != "Secret":
        return dict(item)
    metadata = item.get("metadata")
    kept = metadata if isinstance(metadata, Mapping) else {}
    result: dict[str, Any] = {
        "apiVersion": item.get("apiVersion"),
        "kind": "Secret",
        "metadata": {key: kept[key] for key in ("name", "namespace", "labels") if key in kept},
    }
    if "type" in item:
        result["type"] = item["type"]
    values: dict[str, bytes] = {}
    for field_name in ("data", "stringData"):
        part = item.get(field_name)
        for key, value in part.items() if isinstance(part, Mapping) else ():
            values[str(key)] = _bytes(value, encoded=field_name == "data")
    result["data"] = {key: _certificates(value) for key, value in values.items()}
    return result


def _bytes(value: object, *, encoded: bool) -> bytes:
    if not isinstance(value, str):
        return b""
    try:
        return base64.b64decode(value, validate=True) if encoded else value.encode()
    except ValueError:
        return b""


def _certificates(value: bytes) -> str:
    """The certificates of a value, encoded as Secrets have them; a private key beside them is left out."""
    return base64.b64encode(b"".join(_CERTIFICATE.findall(value))).decode()
