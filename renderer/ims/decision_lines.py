"""Decisions for lines of JSON, one line out for each line in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from kmodgate.policy.ims.service.decision import decide
from kmodgate.policy.ims.versions import NEWEST, UnknownReleaseError, ims_release

_MOST_BYTES = 4 << 20
"""Of a line."""


class _BadLineError(ValueError):
    """A line that is no question; the text says why."""


def answers(lines: Iterable[bytes]) -> Iterator[tuple[dict[str, object], bool]]:
    """Yield the answer to every line that is not empty, and whether the line could be answered."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _answer(line, number)


def _answer(line: bytes, number: int) -> tuple[dict[str, object], bool]:
    identity: object = None
    try:
        value = _parsed(line)
        identity = value.get("id")
        inputs = value["inputs"] if "inputs" in value else {name: part for name, part in value.items() if name != "id"}
        _check(inputs)
        release = ims_release(inputs.get("ims_version") or NEWEST)
        return {"id": identity, **decide(inputs, release).as_line()}, True
    except (_BadLineError, UnknownReleaseError) as error:
        return {"id": identity, "error": f"line {number}: {error}"}, False


def _parsed(line: bytes) -> dict[str, Any]:
    if len(line) > _MOST_BYTES:
        raise _BadLineError(f"is longer than {_MOST_BYTES >> 20} MiB")
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise _BadLineError(f"no JSON: column {error.colno}: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise _BadLineError("no JSON: no UTF-8, nested too deep, or a number beyond all bounds") from None
    if not isinstance(value, dict):
        raise _BadLineError("no object of JSON")
    return value


def _check(inputs: object) -> None:
    """Refuse inputs of another shape than `decide` takes; what the service itself refuses is left to it."""
    if not isinstance(inputs, dict):
        raise _BadLineError("inputs is no object")
    if "job" not in inputs and "raw_body" not in inputs:
        raise _BadLineError("inputs has neither job, the body of the request, nor raw_body")
    _check_shapes(inputs)
    for key, text in (inputs["ims_config"] or {}).items():
        if not isinstance(text, str):
            raise _BadLineError(f"inputs.ims_config.{key} is no text: a ConfigMap holds texts only")
    for number, node in enumerate(inputs.get("remote_nodes") or ()):
        _check_fields(node, f"remote_nodes[{number}]", _OF_NODES, "xname")
    if inputs["record"] is not None:
        _check_record(inputs["record"])


def _check_shapes(inputs: dict[str, Any]) -> None:
    if unknown := [name for name in inputs if name not in _OF_INPUTS]:
        raise _BadLineError(f"inputs.{unknown[0]} is unknown; known ones: {', '.join(_OF_INPUTS)}")
    for name, (types, is_needed, shape) in _SHAPES.items():
        if (is_needed and name not in inputs) or not isinstance(inputs.get(name, types()), types | None):
            raise _BadLineError(f"inputs.{name} is no {shape}")


def _check_record(record: dict[str, Any]) -> None:
    _check_fields(record, "record", _OF_RECORDS, "kind")
    if record["kind"] not in ("recipe", "image"):
        raise _BadLineError(f"inputs.record.kind is {record['kind']!r}, and neither recipe nor image")
    steps = record.get("then")
    if not isinstance(steps, list | None):
        raise _BadLineError("inputs.record.then is no list of steps")
    for number, step in enumerate(steps or ()):
        place = f"record.then[{number}]"
        _check_fields(step, place, ("op", "body"), "op")
        if step["op"] not in ("patch", "restart"):
            raise _BadLineError(f"inputs.{place}.op is {step['op']!r}, and neither patch nor restart")


def _check_fields(value: object, place: str, known: tuple[str, ...], needed: str) -> None:
    """Refuse what is no object, has a field that nobody knows, or lacks the needed one, a text."""
    if not isinstance(value, dict):
        raise _BadLineError(f"inputs.{place} is no object")
    if unknown := [name for name in value if name not in known]:
        raise _BadLineError(f"inputs.{place}.{unknown[0]} is unknown; known ones: {', '.join(known)}")
    if not isinstance(value.get(needed), str):
        raise _BadLineError(f"inputs.{place}.{needed} is missing, or no text")


_OF_RECORDS = ("kind", "has_link", "posted", "loaded_from_store", "then")
_OF_NODES = ("xname", "uname", "podman", "jobs", "reachable")
_OF_INPUTS = ("ims_config", "ims_version", "api", "record", "public_key", "job", "raw_body", "content_type",
              "remote_nodes", "ssh_key_present", "s3", "k8s")  # fmt: skip

_SHAPES: dict[str, tuple[type, bool, str]] = {
    "ims_config": (dict, True, "object with the texts of ims-config"),
    "record": (dict, True, "object, and not null for a record that does not exist"),
    "ims_version": (str, False, "text"),
    "public_key": (str, False, "text, and not null for a key that does not exist"),
    "remote_nodes": (list, False, "list of objects"),
    "s3": (dict, False, "object"),
    "k8s": (dict, False, "object"),
}
"""Types of the inputs beside null, whether a line must have them, and what to say."""
