"""Which entries of a webhook configuration the API server calls for a request, by its own rules.

Source: k8s.io/apiserver, pkg/admission/plugin/webhook/predicates (rules, namespace, object).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """`resource` is `pods` or, with a subresource, `pods/exec`; `labels` are those of the object, None without one.

    `annotations` are those of the object. `place` are the labels of its namespace beside the name; of a Namespace they are those before the request.
    `content` is what else the object holds, `old_content` what it held before, and `user` is who asks.
    """

    operation: str
    resource: str
    group: str = ""
    version: str = "v1"
    namespace: str = ""
    name: str = "a"
    labels: Labels | None = field(default_factory=dict)
    old: Labels | None = None
    place: Labels = field(default_factory=dict)
    annotations: Labels | None = None
    content: Mapping[str, Any] = field(default_factory=dict)
    old_content: Mapping[str, Any] = field(default_factory=dict)
    user: str = "alice"


def called(configuration: Mapping[str, Any], request: Request) -> list[Mapping[str, Any]]:
    """The entries that match, in their order."""
    return [webhook for webhook in configuration["webhooks"] if all(_checks(webhook, request))]


def is_asked(configurations: Iterable[Mapping[str, Any]], request: Request) -> bool:
    """Whether some entry of some configuration matches."""
    return any(called(item, request) for item in configurations)


def _checks(webhook: Mapping[str, Any], request: Request) -> Iterator[bool]:
    yield any(_is_ruled(rule, request) for rule in webhook["rules"])
    labels = _namespace_labels(request)
    yield labels is None or selects(webhook["namespaceSelector"], labels)
    objects = [item for item in (request.labels, request.old) if item is not None]
    yield any(selects(webhook["objectSelector"], item) for item in objects)
    yield all(_holds(item["expression"], request) for item in webhook.get("matchConditions", ()))


def _is_ruled(rule: Mapping[str, Any], request: Request) -> bool:
    return (
        request.group in rule["apiGroups"]
        and (request.version in rule["apiVersions"] or "*" in rule["apiVersions"])
        and request.operation in rule["operations"]
        and (request.resource in rule["resources"] or ("*" in rule["resources"] and "/" not in request.resource))
    )


def _namespace_labels(request: Request) -> Labels | None:
    """None for what lies in no namespace, which every namespaceSelector lets through."""
    if request.resource.partition("/")[0] == "namespaces" and not request.group:
        is_new = request.resource == "namespaces" and request.operation in ("CREATE", "UPDATE")
        labels = request.labels if is_new else request.place
        return {**(labels or {}), "kubernetes.io/metadata.name": request.name}
    if not request.namespace:
        return None
    return {**request.place, "kubernetes.io/metadata.name": request.namespace}


def selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a label selector matches."""
    wanted = selector.get("matchLabels", {})
    return (
        all(_meets(item, labels) for item in selector.get("matchExpressions", ())) and wanted.items() <= labels.items()
    )


def _meets(item: Mapping[str, Any], labels: Labels) -> bool:
    key, values = item["key"], item.get("values", ())
    match item["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise AssertionError(f"no selector of ours uses {item['operator']}")


def _holds(expression: str, request: Request) -> bool:
    """The few words of CEL that are in use, said in Python."""
    python = re.sub(r"!(?!=)", "not ", _without_macros(expression)).replace("||", "or").replace("&&", "and")
    words = {
        "request": _Value(
            {
                "namespace": request.namespace,
                "operation": request.operation,
                "resource": {"resource": request.resource.partition("/")[0]},
                "userInfo": {"username": request.user},
            }
        ),
        "object": _Value(_merged(request.content, request.name, request.annotations, request.labels)),
        "oldObject": _Value(_merged(request.old_content, request.name, None, None)),
        "true": True,
        "has": lambda value: value is not None,
        "contains": lambda text, part: part in text,
        "size": len,
        "string": str,
        "matches": lambda text, pattern: re.search(pattern, text) is not None,
    }
    python = re.sub(r"\.items\b", ".__getattr__('items')", python)  # which dict has, too
    return bool(eval(python.replace("startsWith", "startswith").replace("endsWith", "endswith"), words))


def _without_macros(expression: str) -> str:
    """`LIST.exists(KEY, BODY)` as Python's `any`, and `MAP['KEY'].matches(PATTERN)` as a function."""
    expression = re.sub(r"((?:string\()?[\w.]+\['?\w+'?\]\)?)\.matches\(", r"matches(\1, ", expression)
    expression = re.sub(r"([\w.]+)\.contains\(", r"contains(\1, ", expression)
    while found := re.search(r"(\[[^]]*\]|[\w.]+)\.exists\((\w+), ", expression):
        depth, end = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(expression[end], 0)
            end += 1
        body = expression[found.end() : end - 1]
        made = f"any(({body}) for {found[2]} in {found[1]})"
        expression = expression[: found.start()] + made + expression[end:]
    return expression


def _merged(content: Mapping[str, Any], name: str, annotations: Labels | None, labels: Labels | None) -> dict[str, Any]:
    given = {"annotations": annotations, "labels": labels or None}
    metadata = {"name": name, **{key: value for key, value in given.items() if value is not None}}
    return {**content, "metadata": {**metadata, **content.get("metadata", {})}}


class _Value(dict[str, Any]):
    """A map whose fields are read with a dot; one that is missing is None."""

    def __getattr__(self, name: str) -> Any:
        found = self.get(name)
        if isinstance(found, list):
            return [_Value(item) if isinstance(item, dict) else item for item in found]
        return _Value(found) if isinstance(found, dict) else found
