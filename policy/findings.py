"""What a check found: one type for every gate and every report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from sys import intern
from typing import Any, NamedTuple

from kmodgate.policy.data_class import dataclass

FieldPath = tuple[str | int, ...]
"""Where in a document: keys of maps and indexes of lists, from the root."""


NOT_CHECKED = "not checked"
"""How the message of a rule begins that lacks a fact; it refuses nothing then."""

GIVE_FACTS = "give a dump of the cluster: --facts DIR"


class Severity(StrEnum):
    """How bad a finding is; what a gate does about it is its mode, not its severity."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Mode(StrEnum):
    """What a gate does about a finding."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"
    DISABLED = "disabled"

    def up_to(self, most: Mode) -> Mode:
        """Return the mode, or `most` where that does less."""
        order = list(Mode)
        return max(self, most, key=order.index)


class Problem(NamedTuple):
    """One thing that is wrong with one object; the path is the object's.

    `severity` is the problem's own, where it is less severe than its rule; `line` counts from 1 in the text at the
    path, where that has several lines. `most` is the most that a gate may do about it, whatever the policy says of the
    rule. `told_by` names the finding that tells the cause, as `Finding.identity` does, or its rule alone where that is
    one of the same object.
    """

    path: FieldPath
    message: str
    fix: str
    severity: Severity | None = None
    line: int = 0
    most: Mode | None = None
    told_by: str = ""

    def cause(self, object: str) -> str:
        """The identity of the finding that tells the cause, where this is a problem of the object of that title."""
        return f"{self.told_by} {object}" if self.told_by and " " not in self.told_by else self.told_by


@dataclass(slots=True, unsafe_hash=True)  # frozen, it takes four times as long to make; nobody changes one all the same
class Finding:
    """One thing that one rule found; on which clusters makes no other finding of it.

    `field` is a path in the object, or in the spec where no object was made of it, as `format_path` writes it;
    `spec_field` is the path in the spec that caused an object's field. `line` and `column` count from 1; 0 means that
    the file as a whole is meant, and an empty `file` that the object came from no file. A file of the fleet is relative
    to its root, any other is absolute.
    """

    rule: str
    message: str
    fix: str
    object: str = ""
    field: str = ""
    severity: Severity = Severity.ERROR
    file: str = ""
    line: int = 0
    column: int = 0
    mode: Mode = Mode.ENFORCE
    spec_field: str = ""
    clusters: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    """The names of those whose objects it is about; none where no cluster is known."""
    told_by: str = dataclasses.field(default="", compare=False)
    """The `identity` of the finding that tells the cause of this one, or its rule and `place`; empty for a cause."""

    @property
    def identity(self) -> str:
        """Rule and object: `GIT203 ConfigMap drivers/dockerfile`."""
        return f"{self.rule} {self.object}"

    @property
    def place(self) -> str:
        """Where it is told: `drivers/nic.yaml:9:19`."""
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def is_unchecked(self) -> bool:
        """Whether it only says that a fact is missing. That is for programs that ask, and no alert."""
        return self.message.startswith(NOT_CHECKED)

    def about(self, object: str) -> Finding:
        """The same finding about another object; `dataclasses.replace` takes five times as long."""
        return Finding(
            self.rule,
            self.message,
            self.fix,
            object,
            self.field,
            self.severity,
            self.file,
            self.line,
            self.column,
            self.mode,
            self.spec_field,
            self.clusters,
            self.told_by,
        )


def placed(
    finding: Finding,
    path: FieldPath,
    file: str,
    position: tuple[int, int],
    spec_path: FieldPath = (),
    clusters: tuple[str, ...] = (),
) -> Finding:
    """Return the finding with its field, and with file, line and column of the place that caused the field.

    `spec_path` is the field of a spec there, where a spec caused it. The line of a finding that has one already, in the
    text of the field, is replaced.
    """
    return Finding(
        finding.rule,
        finding.message,
        finding.fix,
        finding.object,
        format_path(path) or finding.field,
        finding.severity,
        file,
        *position,
        finding.mode,
        format_path(spec_path),
        clusters or finding.clusters,
        finding.told_by,
    )


def causes_of(findings: list[Finding]) -> list[Finding]:
    """Return the findings without those whose cause another one tells, if that one refuses or warns as much.

    Objects of one name stand in several files, and on several clusters: only the cause in the same place counts.
    """
    rules = {finding.told_by.partition(" ")[0] for finding in findings if finding.told_by}
    if rules.isdisjoint([finding.rule for finding in findings]):
        return findings
    causes: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        for place in {_place(finding), ""}:
            causes.setdefault((finding.identity, place), []).append(finding)
        if not finding.told_by:
            causes.setdefault((f"{finding.rule} {finding.place}", ""), []).append(finding)

    def is_told(item: Finding) -> bool:
        place = _place(item) if item.told_by.endswith(f" {item.object}") else ""
        return any(_tells(cause, item) for cause in causes.get((item.told_by, place), ()))

    return [item for item in findings if not (item.told_by and is_told(item))]


def _place(finding: Finding) -> str:
    """The file of an object; none for one that is made of specs, whose fields come from several files."""
    return "" if finding.spec_field else finding.file


def _tells(cause: Finding, finding: Finding) -> bool:
    is_everywhere = not cause.clusters or set(finding.clusters) <= set(cause.clusters)
    return is_everywhere and cause.mode.up_to(finding.mode) is finding.mode


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings in the order of files, lines and columns, without repetition.

    A finding whose cause another one tells is left out. One field of a spec may make objects of several kinds, each
    with the same mistake: it is told of the first.
    """
    found = sorted(
        causes_of(list(findings)),
        key=lambda f: (f.file, f.line, f.column, f.rule, f.object, f.field, f.message, f.fix, f.severity, f.spec_field),
    )
    first: dict[Finding, Finding] = {}
    clusters: dict[Finding, set[str]] = {}
    for finding in found:
        key = replace(finding, object="", field="") if finding.spec_field else finding
        clusters.setdefault(first.setdefault(key, finding), set()).update(finding.clusters)
    return [
        replace(finding, clusters=tuple(sorted(names))) if names else finding for finding, names in clusters.items()
    ]


def told_once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings; what a rule could not check is said once, and not for every object."""
    told: set[tuple[str, str]] = set()
    for finding in findings:
        key = (finding.rule, finding.message)
        if not finding.is_unchecked or key not in told:
            told.add(key)
            yield finding


def value_at(value: Any, path: FieldPath, absent: object = None) -> Any:
    """What stands at a path of plain JSON data, or `absent` where nothing does."""
    for step in path:
        if isinstance(value, dict):
            there = step in value
        else:
            there = isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)
        if not there:
            return absent
        value = value[step]
    return value


def quoted(text: str) -> str:
    """Text between quotes, letter by letter: a backslash of a regular expression is not doubled."""
    return f"'{text}'" if text.isprintable() else repr(text)


_LONGEST = 2000


def shortened(text: str) -> str:
    """Words for a person: an object may hold texts of many megabytes, and a finding quotes them."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def plain_text(value: object) -> str:
    """What stands where a text should, as text. Of what is nested, however deep, or a number without end only `…`."""
    if isinstance(value, str):
        return value
    is_short = isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() < _BITS)
    return str(value) if is_short else "…"


_BITS = 256


def format_path(path: FieldPath) -> str:
    """A path as Kubernetes writes it in errors: `spec.selector[example.com/role]`, `spec.items[0].name`."""
    text = "".join(map(_STEPS.__getitem__, path)).removeprefix(".")
    return intern(text) if len(text) < _USUAL_PATH else text


_USUAL_PATH = 200
"""Characters of a path that many findings of a fleet have."""


def _is_plain(key: str) -> bool:
    return key.replace("_", "a").replace("-", "a").isalnum()


class _Steps(dict[str | int, str]):
    """The steps of paths as they are written; the short ones are kept, as far as there is room."""

    def __missing__(self, step: str | int) -> str:
        is_key = isinstance(step, str) and (step.isalnum() or _is_plain(step))
        text = f".{step}" if is_key else f"[{step}]"
        if len(text) < 64 and len(self) < 4096:
            self[step] = text
        return text


_STEPS = _Steps()


def title(object: Mapping[str, Any]) -> str:
    """Kind, namespace and name of an object, as far as it has them. Never raises."""
    metadata = object.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or metadata.get("generateName") or ""
    where = plain_text(name)
    if metadata.get("namespace"):
        where = f"{plain_text(metadata['namespace'])}/{where}"
    return f"{plain_text(object.get('kind', ''))} {where}".strip()
