"""What changes and what follows, as JSON; docs/diff.md describes each field."""

from __future__ import annotations

import json
from typing import Any

from kmodgate.renderer.diff.compare_fleets import Comparison
from kmodgate.renderer.diff.effects.changed_fields import ObjectChange


def write(found: Comparison, base: str) -> str:
    """One object; `base` is put before the files of specs."""
    consequences = [
        {
            "effect": item.effect.name.lower(),
            "severity": item.severity,
            "driver": item.driver,
            "text": item.text,
            "clusters": list(item.clusters),
            "nodes": item.nodes,
            "unknown": list(item.unknown),
            "because": list(item.why),
            "file": f"{base}{item.origin.file}",
            "line": item.origin.line,
        }
        for item in found.consequences
    ]
    document = {
        "version": 1,
        "consequences": consequences,
        "objects": [_object(change, base) for change in found.changes],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _object(change: ObjectChange, base: str) -> dict[str, Any]:
    identity = change.manifest.identity
    fields = []
    for field in change.fields:
        origin = change.origin(field)
        place = {"file": f"{base}{origin.file}", "line": origin.line}
        fields.append({"field": field.shown, "before": field.before, "after": field.after, **place})
    return {
        "change": change.kind,
        "group": identity.group,
        "kind": identity.kind,
        "namespace": identity.namespace,
        "name": identity.name,
        "driver": change.manifest.owner,
        "clusters": list(change.clusters),
        **({"note": change.note} if change.note else {}),
        "fields": fields,
    }
