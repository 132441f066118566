"""What becomes of a value that the Image Management Service (IMS) puts into a job template without quotes.

The service substitutes text with string.Template and reads the result with PyYAML: a comment sign, a bracket or a word
such as `no` in the text is YAML's. Sources: create_kubernetes_resources in src/server/v3/resources/jobs.py and
kubernetes/cray-ims/templates/*-job-template.yaml of Cray-HPE/ims.
"""

from __future__ import annotations

from functools import lru_cache

import yaml

BROKEN = object()
"""The value of a text that makes no YAML of the line it is put into."""


@lru_cache(maxsize=4096)
def as_yaml(text: str) -> object:
    """Return the value of `key: text` to PyYAML: of any type, or `BROKEN`."""
    try:
        # The pure Python loader, as the service has it: libyaml differs in corners.
        document = yaml.load(f"map:\n  key: {text}\n  next: x\n", yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return BROKEN
    if not isinstance(document, dict) or not isinstance(document.get("map"), dict):
        return BROKEN
    return document["map"].get("key")
