"""GIT201: the values of Secrets in a repository, whatever object carries the Secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.formats.yaml_documents import OBJECTS, parse
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_WORKS = tuple(f"work.open-cluster-management.io/{kind}" for kind in ("ManifestWork", "ManifestWorkReplicaSet"))
_POLICIES = tuple(f"policy.open-cluster-management.io/{kind}" for kind in ("Policy", "ConfigurationPolicy"))

_ACTION = re.compile(r"\{\{[^{}]*\}\}")
_READS = re.compile(r"\b(?:fromSecret|copySecretData|fromConfigMap|copyConfigMapData|fromClusterClaim|lookup)\b")
_ACTIONS_ALONE = re.compile(r"[ \t]*(?:__(?:ACTION|READS)__[ \t]*)+")
_RAW = "object-templates-raw"


@rule("GIT201", kinds=("Secret", *_WORKS, *_POLICIES))
def plain_secret(review: Review) -> Iterator[Problem]:
    """A Secret with its values in the tree: whoever may read the repository has them, for ever.

    A Secret alone is a warning. One inside a ManifestWork or a Policy of Open Cluster Management is an error: whoever
    may read these on the hub has the values, too, without any right on Secrets. A template is no value.

    Fix: commit an ExternalSecret or a SealedSecret instead, and change the secret.
    Source: Argo CD, docs/operator-manual/secret-management.md; Red Hat Advanced Cluster Management, Governance
    (template functions, object-templates-raw).
    """
    is_alone = review.kind == "Secret"
    places = [((), review.object)] if is_alone else _secrets_in(review.object.get("spec"), ("spec",))
    message = "a secret that everybody who reads the repository has"
    fix = "commit an ExternalSecret or a SealedSecret instead, and change the secret"
    if not is_alone:
        message = f"{message}, and everybody who reads the {review.object.get('kind')} on the hub"
    for path, secret in places if review.in_tree else ():
        for key in ("data", "stringData"):
            if _has_value(secret.get(key)):
                yield Problem((*path, key), message, fix, Severity.WARNING if is_alone else None)


def _secrets_in(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, Mapping[str, object]]]:
    """The Secrets below a value, whatever carries them."""
    if isinstance(value, dict):
        if value.get("kind") == "Secret" and value.get("apiVersion") == "v1":
            yield path, value
            return
        for key, item in value.items():
            if key == _RAW and isinstance(item, str):
                yield from _secrets_in(_without_actions(item), (*path, key))
            yield from _secrets_in(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _secrets_in(item, (*path, index))


def _without_actions(text: str) -> object:
    """Return what a template makes, with a word for each action of it; nothing where that is no YAML.

    Lines of actions alone are loops and conditions.
    """
    lines = _ACTION.sub(lambda action: "__READS__" if _reads(action[0]) else "__ACTION__", text).splitlines()
    kept = "\n".join(line for line in lines if not _ACTIONS_ALONE.fullmatch(line))
    documents, findings = parse(kept, _RAW, OBJECTS)
    return None if findings else [document.value for document in documents]


def _reads(action: str) -> bool:
    return _READS.search(action) is not None


def _has_value(data: object) -> bool:
    """Whether a Secret's data says more than templates that are filled in on the hub or the spoke."""
    if not isinstance(data, dict):
        return bool(data) and not _is_template(data)
    return any(not _is_template(text) for text in data.values())


def _is_template(text: object) -> bool:
    """Whether a text comes from elsewhere: it is one template, or what a template reads is in it."""
    if not isinstance(text, str):
        return False
    if "__READS__" in text or any(map(_reads, _ACTION.findall(text))):
        return True
    if text.startswith("{{hub") and text.endswith("hub}}"):  # whatever braces are in it
        return True
    return text != "" and not _ACTION.sub("", text.replace("__ACTION__", "")).strip()
