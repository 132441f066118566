"""Kubernetes objects from files or stdin: YAML or JSON, several documents, and lists of objects."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from renderer.errors import Unusable


def read_objects(name: str) -> Iterator[dict[str, Any]]:
    """Every object of a file, or of stdin for `-`; the items of a List one by one. Raises Unusable."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        documents = [json.loads(text)] if text.lstrip().startswith("{") else list(yaml.load_all(text, yaml.CSafeLoader))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unusable(f"{name}: cannot be read: {reason}", "give YAML or JSON as kubectl writes it") from None
    for document in documents:
        yield from _objects(document, name)


def _objects(document: Any, name: str) -> Iterator[dict[str, Any]]:
    if document is None:
        return
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise Unusable(f"{name}: a document is no Kubernetes object", "give objects with apiVersion and kind")
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _objects(item, name)
    else:
        yield document
