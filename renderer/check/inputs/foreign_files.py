"""Files of other tools beside Kubernetes objects: charts, templates, JSON Schemas, settings."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kmodgate.policy.findings import Finding, Mode, Severity
from kmodgate.policy.formats.object_files import Source, decoded, is_page, parse_objects
from kmodgate.policy.ims.given_records import wrapped
from kmodgate.policy.ims.template_text import readable_chart
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.review import Review
from kmodgate.policy.rule import kinds_with_rules
from kmodgate.renderer.check.inputs.object_inputs import read_bytes
from kmodgate.renderer.fleet.files import CHART

IsWanted = Callable[[dict[str, Any]], bool]
"""Whether an object makes its file one to look at."""

_TEMPLATE = lazy_regex(r"\{\{|\{%")
_HEADING = lazy_regex(r"""^["']?(apiVersion|kind)["']?[ \t]*:[ \t]*["']?([\w./-]+)""", re.MULTILINE)
_DOCUMENT_START = lazy_regex(r"^---", re.MULTILINE)
_JSON_TOKEN = lazy_regex(
    r'"((?:[^"\\]|\\.)*+)(?:"(?:\s*:\s*"((?:[^"\\]|\\.)*+)(?:"|\\?\Z))?|\\?\Z)|[{}\[\]]', re.DOTALL
)
"""A text that nothing ends goes on to the end: no other one is looked for in it."""


_FREE_TEXT = {"annotations", "args", "binaryData", "command", "data", "env", "stringData"}
"""Fields whose texts are for other programs: `{{` in them does not make an object a template."""

_WITH_TEMPLATES = {"ApplicationSet"}
"""Kinds of objects that hold templates of their controller's own."""


Texts = dict[tuple[str, bytes], list[Source]]
"""What files hold in which nothing is wrong, by suffix and digest: clusters that are alike have equal files."""


def has_rules(value: Mapping[str, Any]) -> bool:
    """Whether rules look at objects of this kind."""
    return Review(value).kind in kinds_with_rules()


def any_object(_value: dict[str, Any]) -> bool:
    """Take every Kubernetes object."""
    return True


def objects_of_interest(
    name: str, findings: list[Finding], is_wanted: IsWanted, known: Texts | None = None
) -> list[Source] | None:
    """Return every object of a file that holds a wanted one, or None for a file of another tool.

    A file that cannot be parsed counts by what its first level says. What is wrong with a file that is not passed over
    goes to `findings`. A text that is in `known` is not parsed again: its sources have the values of those there.
    """
    data = read_bytes(name, findings)
    if data is None:
        return []
    key = os.path.splitext(name)[1], hashlib.sha256(data).digest()
    same = known.get(key, ()) if known else ()
    if any(is_wanted(source.value) for source in same):
        return [replace(source, file=name) for source in same]
    problems: list[Finding] = []
    lists: list[str] = []
    text = decoded(data, name, problems)
    text = None if text is None else readable_chart(text)
    sources = [] if text is None else list(parse_objects(text, name, problems, lists, wrapped))
    if text is not None and is_page(text):  # nothing of another tool is called so and holds that
        findings += (replace(problem, severity=Severity.WARNING, mode=Mode.WARN) for problem in problems)
        return []
    broken = any(problem.mode is Mode.ENFORCE for problem in problems)
    text = data.decode("utf-8", "replace") if text is None else text
    wanted = any(is_wanted(source.value) for source in sources) or (broken and _is_meant(text, is_wanted))
    is_empty_list = bool(lists) and not sources and not broken
    has_template = _TEMPLATE.search(text) is not None
    if not (wanted or is_empty_list) or (has_template and (broken or _is_template(name, sources))):
        return None
    findings += problems
    if known is not None and not problems and not has_template:
        known[key] = sources
    return sources


def _is_meant(text: str, is_wanted: IsWanted) -> bool:
    """Whether a text that cannot be parsed has the first lines of a wanted object, or of a List."""
    if text.lstrip().startswith("{"):
        headings = [_json_heading(text)]
    else:
        headings = [dict(_HEADING.findall(document)) for document in _DOCUMENT_START.split(text)]
    return any(len(found) == 2 and (found["kind"] == "List" or is_wanted(found)) for found in headings)


def _json_heading(text: str) -> dict[str, Any]:
    heading: dict[str, Any] = {}
    depth = 0
    for token in _JSON_TOKEN.finditer(text):
        if token[0] in ("{", "["):
            depth += 1
        elif token[0] in ("}", "]"):
            depth -= 1
        elif depth == 1 and token[1] in ("apiVersion", "kind") and token[2]:
            heading.setdefault(token[1], token[2])
    return heading


def _is_template(name: str, sources: Sequence[Source]) -> bool:
    """Whether a text with `{{` that can be parsed is a template all the same."""
    folder = Path(os.path.abspath(name)).parent
    in_chart = any((parent / CHART).is_file() for parent in (folder, *folder.parents))
    values = (source.value for source in sources)
    return in_chart or any(_has_action(value) for value in values if value.get("kind") not in _WITH_TEMPLATES)


def _has_action(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_action(item) for key, item in value.items() if key not in _FREE_TEXT)
    if isinstance(value, list):
        return any(_has_action(item) for item in value)
    return isinstance(value, str) and _TEMPLATE.search(value) is not None
