"""What the API server's audit log keeps, and reading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["*"]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io"}]},
        {
            "level": "None",
            "verbs": ["get", "list", "watch"],
            "userGroups": ["system:serviceaccounts:kube-system"],
        },
        {
            "level": "None",
            "verbs": ["get", "list", "watch"],
            "users": ["system:apiserver", "system:kube-controller-manager"],
        },
        {"level": "Metadata"},
    ],
}
"""Everything but what the control plane reads itself: who asked for what, the answer's code, and the annotations."""


def events(log: Path, **wanted: str) -> list[dict[str, Any]]:
    """The requests in an audit log that agree with `wanted`, the oldest first.

    `verb` and `user` are looked up in the event and its user, every other name (`resource`, `namespace`, `name`,
    `subresource`) in the object that was asked for.
    """
    if not log.is_file():
        return []
    # What is still being written has no end of line.
    lines = log.read_bytes().rpartition(b"\n")[0].splitlines()
    found = (json.loads(line) for line in lines)
    return [event for event in found if all(_value(event, key) == value for key, value in wanted.items())]


def _value(event: dict[str, Any], key: str) -> object:
    match key:
        case "verb":
            return event["verb"]
        case "user":
            return event["user"]["username"]
    return event.get("objectRef", {}).get(key)
