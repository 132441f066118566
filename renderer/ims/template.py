"""`kmodgate ims template`: what keeps the jobs of live templates out of their VM, and the same file without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kmodgate.policy.config import Policy
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding, Mode, placed, title
from kmodgate.policy.formats.object_files import Source, decoded, parse_objects
from kmodgate.policy.ims.template_proof import LONGEST
from kmodgate.policy.ims.template_text import readable_chart
from kmodgate.policy.ims.templates import Holder, holder_of, texts_of
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Review
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.renderer.check.inputs.object_inputs import STDIN, read_bytes
from kmodgate.renderer.errors import Refused, Unusable, refuse_enforced
from kmodgate.renderer.ims.template_edits import Edit, Flavour, UneditableError, edited, edits
from kmodgate.renderer.ims.text_scalars import Change, UnknownStyleError, changed, changes

_OUTCOME = "nothing was printed"


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """A file with job templates: what is wrong in it, its text without that, and how many ConfigMaps it has.

    `left` is the number of findings that rules still have about the templates in the new text.
    """

    findings: list[Finding]
    text: str
    count: int
    left: int


@dataclass(frozen=True, slots=True)
class _JobTemplate:
    """The template of a Job in a file, and its edits."""

    source: Source
    key: str
    text: str
    edits: list[Edit]

    def findings(self) -> Iterator[Finding]:
        """Yield what the edits are for, on their lines of the file."""
        for edit in sorted(self.edits, key=lambda item: item.line):
            fix = "write " + " and ".join(line.strip() for line in edit.new)
            yield _finding(self.source, self.key, edit.line + 1, edit.rule, edit.message, fix)

    def object(self) -> dict[str, Any]:
        """Return the ConfigMap with the edits made."""
        value = self.source.value
        return {**value, "data": {**value["data"], self.key: edited(self.text, self.edits)}}


def read_templates(name: str, flavour: Flavour) -> TemplateFile:
    """Return what is wrong in a file of ConfigMaps, and the file without it.

    Raises Refused for a file or template that cannot be read or changed line by line, and Unusable for a file without
    job templates.
    """
    problems: list[Finding] = []
    data = read_bytes(name, problems)
    text = "" if data is None else decoded(data, name, problems) or ""
    refuse_enforced(problems, outcome=_OUTCOME)
    sources = list(parse_objects(readable_chart(text), name, problems))
    refuse_enforced(problems, outcome=_OUTCOME)
    templates = [_job_template(source, holder, flavour) for source, holder in _holders(sources)]
    if not templates:
        shown = "stdin" if name == STDIN else name
        fix = "give what this writes: kubectl -n services get cm cray-configmap-ims-v2-image-customize -o yaml"
        raise Unusable(f"{shown}: no ConfigMap with job templates of IMS in it", fix)
    new = changed(text, (change for template in templates for change in _changes(text, template)))
    _prove(new, name, sources, templates)
    found = [finding for template in templates for finding in template.findings()]
    return TemplateFile(found, new, len(templates), sum(map(_findings_left, templates)))


def _findings_left(template: _JobTemplate) -> int:
    """Return the number of errors and warnings about a ConfigMap once its edits are made."""
    found = Engine(Policy()).evaluate(Review(defaulted(template.object())))
    return sum(item.mode in (Mode.ENFORCE, Mode.WARN) for item in found)


def _holders(sources: list[Source]) -> Iterator[tuple[Source, Holder]]:
    for source in sources:
        holder = holder_of(source.value)
        if holder is not None:
            yield source, holder


def _job_template(source: Source, holder: Holder, flavour: Flavour) -> _JobTemplate:
    key, text = holder.key("job"), texts_of(source.value, holder).get("job")
    if text is None:
        raise _refused(source, key, 1, f"{key} is missing", "put the template of the release back")
    if len(text) > LONGEST:
        raise _refused(source, key, 1, f"the template is longer than {LONGEST >> 10} KiB", "shorten it")
    try:
        return _JobTemplate(source, key, text, edits(text, flavour))
    except UneditableError as error:
        fix = "correct it by hand; kmodgate check tells what else is wrong"
        raise _refused(source, key, error.line, str(error), fix) from None


def _changes(text: str, template: _JobTemplate) -> list[Change]:
    """Return what the edits of a template change in the text of its file."""
    try:
        place = template.source.position(("data", template.key))
        return changes(text, place, template.text, template.edits)
    except UnknownStyleError as error:
        fix = "give the ConfigMap as kubectl get -o yaml or -o json writes it"
        raise _refused(template.source, template.key, 1, str(error), fix) from None


def _refused(source: Source, key: str, line: int, message: str, fix: str) -> Refused:
    return Refused([_finding(source, key, line, "IMS203", message, fix)], outcome=_OUTCOME)


def _finding(source: Source, key: str, line: int, rule: str, message: str, fix: str) -> Finding:
    """Return a finding about a line of a text in a ConfigMap."""
    path, file = ("data", key), "<stdin>" if source.file == STDIN else source.file
    load_rules()
    severity = RULES[rule].severity
    mode = Policy().mode(rule, severity, "check")
    finding = Finding(rule, message, fix, title(source.value), severity=severity, mode=mode)
    return placed(finding, path, file, source.line_position(path, line))


def _prove(text: str, name: str, before: list[Source], templates: list[_JobTemplate]) -> None:
    """Raise Unusable unless a changed file holds the same objects, with nothing but their templates put right."""
    problems: list[Finding] = []
    after = [source.value for source in parse_objects(readable_chart(text), name, problems)]
    new = {id(template.source): template.object() for template in templates}
    wanted = [new.get(id(source), source.value) for source in before]
    if after != wanted or any(item.mode is Mode.ENFORCE for item in problems):
        fix = "give the ConfigMap as kubectl get -o yaml writes it, and report this"
        raise Unusable(f"{name}: its lines cannot be put right without changing others", fix)
