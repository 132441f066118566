"""OPC: the configuration of KMM's operator, of which one slip drops everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.formats.yaml_documents import OBJECTS, Document, parse
from kmodgate.policy.kmm.operator_config import (
    CONFIG_MAPS,
    is_strict,
    key_in_config_map,
    unknown_keys,
    wrong_values,
)
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_CONFIG_MAP = ("ConfigMap",)


@rule("OPC101", kinds=_CONFIG_MAP, severity=Severity.WARNING)
def unknown_key(review: Review) -> Iterator[Problem]:
    """A key in the configuration of KMM's operator that this release does not know.

    From KMM 2.4 on the manager drops the whole file because of it and goes on with its defaults, and the webhook
    server ends, so that no Module can be written. Earlier releases pass over the key, until they are upgraded.

    Fix: remove the key, or use the one that the message names.
    Source: internal/config/config.go of Kernel Module Management, at its tags; strict decoding since 2.4.
    """
    found = _configuration(review)
    if found is not None:
        cluster = review.cluster
        ends = "drops the whole file because of it" if is_strict(cluster.release) else "goes on without it"
        for path, fix in unknown_keys(found.value, cluster.release, any_flavour=cluster.is_any):
            message = f"{cluster.release} knows no {'.'.join(map(str, path))}, and {ends}"
            yield Problem(_path(review), message, fix, line=found.key_position(path)[0])


@rule("OPC102", kinds=_CONFIG_MAP, severity=Severity.WARNING)
def wrong_value(review: Review) -> Iterator[Problem]:
    """A value in the configuration of KMM's operator that cannot be decoded: a duration, a port, true or false.

    Fix: write what the message names.
    Source: internal/config/config.go of Kernel Module Management; time.ParseDuration of Go.
    """
    found = _configuration(review)
    if found is not None:
        for path, expected in wrong_values(found.value):
            message = f"{'.'.join(map(str, path))} has a value that KMM cannot read"
            yield Problem(_path(review), message, f"write {expected}", line=found.position(path)[0])


@rule("OPC103", kinds=_CONFIG_MAP, severity=Severity.WARNING)
def unreadable(review: Review) -> Iterator[Problem]:
    """The configuration of KMM's operator is no map in YAML, has a key twice, or stands under another key.

    Fix: write it as YAML under `controller_config.yaml` (`controller_manager_config.yaml` for KMM 1.1).
    Source: internal/config/config.go of Kernel Module Management.
    """
    if not _is_operators(review):
        return
    data = as_map(review.object.get("data"))
    key = key_in_config_map(review.cluster.release)
    if key not in data:
        yield Problem(("data",), f"has no {key}: KMM does not read this configuration", f"name the key {key}")
        return
    documents, findings = parse(str(data[key]), "", OBJECTS)
    for finding in findings:
        yield Problem(_path(review), finding.message, finding.fix, line=finding.line)
    first = documents[0].value if documents else None
    if not findings and not isinstance(first, dict):
        message = "is empty, which KMM cannot decode" if first is None else "is no map of settings"
        yield Problem(_path(review), message, "write the settings, or delete the ConfigMap for the defaults")


def _path(review: Review) -> FieldPath:
    return ("data", key_in_config_map(review.cluster.release))


def _is_operators(review: Review) -> bool:
    return metadata_of(review.object).get("name") in CONFIG_MAPS


def _configuration(review: Review) -> Document | None:
    text: Any = as_map(review.object.get("data")).get(key_in_config_map(review.cluster.release))
    if not _is_operators(review) or not isinstance(text, str):
        return None
    return next(iter(parse(text, "", OBJECTS)[0]), None)
