"""Dumps of clusters as kubectl writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml


def dump(path: Path, *items: dict[str, Any], kind: str = "List") -> str:
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": kind, "items": list(items)}))
    return str(path)


def typed(kind: str, *items: dict[str, Any], **metadata: str) -> str:
    """A list as the API server writes it: its items have neither apiVersion nor kind."""
    bare = [{key: value for key, value in item.items() if key not in ("apiVersion", "kind")} for item in items]
    return json.dumps({"apiVersion": "v1", "kind": kind, "metadata": metadata, "items": bare})
