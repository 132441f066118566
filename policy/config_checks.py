"""A DriverPolicy as a file: what is wrong with it that its schema cannot know, and the form without clusters."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from kmodgate.policy.findings import FieldPath, Problem
from kmodgate.policy.rule import OVER_FLEETS, RETIRED, RULES, load_rules


def for_any_cluster(value: object) -> object:
    """The policy, for any cluster if it says of none: what the webhook mounts is of one, and says no more of which."""
    spec = value.get("spec") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(spec, dict) or "clusters" in spec:
        return value
    return {**value, "spec": {"clusters": {"matchLabels": {}}, **spec}}


def problems(spec: Mapping[str, Any]) -> Iterator[Problem]:
    """The problems of a DriverPolicy's spec, which its schema has passed; the paths begin with `spec`."""
    load_rules()
    named: list[tuple[FieldPath, str]] = [(("spec", "modes", key), key) for key in spec.get("modes", {})]
    for gate, modes in spec.get("gates", {}).items():
        named += [(("spec", "gates", gate, key), key) for key in modes]
    for index, item in enumerate(spec.get("exceptions", ())):
        named.append((("spec", "exceptions", index, "rule"), item["rule"]))
        try:
            date.fromisoformat(item["expires"])
        except ValueError:
            path: FieldPath = ("spec", "exceptions", index, "expires")
            yield Problem(path, f"{item['expires']} is not a day", "correct the date")
    since = spec.get("parameters", {}).get("kernelAccess", {}).get("enforcedSince")
    if since is not None and not _is_time(since):
        path = ("spec", "parameters", "kernelAccess", "enforcedSince")
        yield Problem(path, f"{since} is no time", "write it like 2026-01-31T18:00:00Z")
    known = {"*", *RULES, *RETIRED, *OVER_FLEETS, *(id[:3] for id in RULES)}
    for path, name in named:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            fix = f"did you mean {close[0]}?" if close else "kmodgate rules lists them"
            yield Problem(path, f"there is no rule {name}", fix)


def _is_time(text: str) -> bool:
    """Whether a text is a time that says which zone it is of."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
