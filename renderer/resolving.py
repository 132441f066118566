"""Modules and kernels → what KMM would do, as rows for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from policy.kmm.answers import as_json
from policy.kmm.kernel import trimmed
from policy.kmm.resolve import Resolution, Unresolved, resolve, why_not
from policy.normalise import defaulted
from renderer.load import object_schema


@dataclass(frozen=True, slots=True)
class Answer:
    """One Module on one kernel: its resolution, or why there is none."""

    module: dict[str, Any]
    kernel: str
    resolution: Resolution | None
    failure: str

    @property
    def name(self) -> str:
        metadata = self.module["metadata"]
        return f"{metadata.get('namespace', '')}/{metadata['name']}"

    @property
    def lost(self) -> list[str]:
        """Why each mapping before the winning one does not match; all of them where none does."""
        mappings = self.module["spec"]["moduleLoader"]["container"]["kernelMappings"]
        end = len(mappings) if self.resolution is None else self.resolution.mapping
        return [f"mapping {index}: {why_not(mapping, self.kernel)}" for index, mapping in enumerate(mappings[:end])]

    def as_json(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"module": self.name, "kernel": self.kernel}
        if self.resolution is None:
            return {**answer, "failed": self.failure}
        return {**answer, "mapping": self.resolution.mapping, "lost": self.lost, "resolved": as_json(self.resolution)}


def answers(modules: Iterable[dict[str, Any]], kernels: list[str]) -> Iterator[Answer]:
    """Every Module on every kernel, without one trailing `+`, which KMM cuts from a node's version."""
    for module in modules:
        for kernel in map(trimmed, kernels):
            yield answer(module, kernel)


def answer(module: dict[str, Any], kernel: str) -> Answer:
    """One Module, with the CRD's defaults, on one kernel as it stands."""
    try:
        return Answer(module, kernel, resolve(module, kernel), "")
    except Unresolved as error:
        return Answer(module, kernel, None, str(error))


def why_unusable(module: object) -> str:
    """Why an object is no Module that KMM could resolve; empty if it is one."""
    if not isinstance(module, dict) or module.get("kind") != "Module":
        return "not a Module"
    schema = object_schema(module)
    if schema is None:
        return f"apiVersion {module.get('apiVersion')} is not that of KMM's Module"
    violation = next(iter(schema.violations(defaulted(module))), None)
    if violation is not None:
        return f"not a valid Module: {'.'.join(map(str, violation.path))}: {violation.message}"
    return "" if module.get("spec", {}).get("moduleLoader") else "the Module loads nothing: it has no moduleLoader"


def answer_line(line: str) -> str:
    """One line of a batch: `{"id", "module", "kernel"}` in, `{"id", "resolved"}` or `{"id", "failed"}` out."""
    question: Any = {}
    try:
        question = json.loads(line)
        module, kernel = question["module"], question["kernel"]
        failure = why_unusable(module) or ("" if isinstance(kernel, str) else "kernel is not a string")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        failure = f"not a question: {error!r}"
    head = {"id": question.get("id")} if isinstance(question, dict) else {"id": None}
    if failure:
        return json.dumps({**head, "failed": failure})
    found = answer(defaulted(module), kernel)
    if found.resolution is None:
        return json.dumps({**head, "failed": found.failure})
    return json.dumps({**head, "resolved": as_json(found.resolution)})


def table(found: Iterable[Answer]) -> str:
    """One block a Module: kernels, winning mappings and images in columns, and below each why the others lost."""
    lines: list[str] = []
    for item in found:
        resolution = item.resolution
        if resolution is None:
            lines.append(f"{item.name}  {item.kernel}\n  failed: {item.failure}")
        else:
            work = [name for name in ("build", "sign") if getattr(resolution, name) is not None]
            lines.append(f"{item.name}  {item.kernel}\n  mapping {resolution.mapping}: {resolution.image}")
            lines.append(f"  {' and '.join(work) + ' if the image is missing' if work else 'prebuilt image'}")
        lines += (f"  not {reason}" for reason in item.lost)
    return "\n".join(lines) + "\n" if lines else ""
