"""`kmodgate ims template`: what keeps the jobs of live templates out of their VM, and the same file without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kmodgate.policy.findings import Finding, Mode, placed, title
from kmodgate.policy.formats.object_files import Source, decoded, parse_objects
from kmodgate.policy.ims.template_proof import LONGEST
from kmodgate.policy.ims.template_text import readable_chart
from kmodgate.policy.ims.templates import Holder, holder_of, texts_of
from kmodgate.renderer.check.object_inputs import STDIN, read_bytes
from kmodgate.renderer.errors import Refused, Unusable, refuse_enforced
from kmodgate.renderer.ims.template_edits import Edit, Flavour, UneditableError, edited, edits
from kmodgate.renderer.ims.text_scalars import Change, UnknownStyleError, changed, changes

_OUTCOME = "nothing was printed"


@dataclass(slots=True)
class TemplateFile:
    """A file with job templates: what is wrong in it, and its text without that."""

    findings: list[Finding] = field(default_factory=list)
    text: str = ""
    templates: int = 0


def read_templates(name: str, flavour: Flavour) -> TemplateFile:
    """Return what is wrong in a file of ConfigMaps, and the file without it.

    Raises Refused for a file or template that cannot be read or changed line by line, and Unusable for a file without
    job templates.
    """
    problems: list[Finding] = []
    data = read_bytes(name, problems)
    text = None if data is None else decoded(data, name, problems)
    readable = readable_chart(text or "")
    sources = list(parse_objects(readable, name, problems)) if text is not None else []
    refuse_enforced(problems, outcome=_OUTCOME)
    result = TemplateFile(text=text or "")
    found: list[Change] = []
    for source, holder in _holders(sources):
        result.templates += 1
        found += _judged(source, holder, text or "", flavour, result)
    if not result.templates:
        shown = "stdin" if name == STDIN else name
        fix = "give what this writes: kubectl -n services get cm cray-configmap-ims-v2-image-customize -o yaml"
        raise Unusable(f"{shown}: no ConfigMap with job templates of IMS in it", fix)
    result.text = changed(result.text, found)
    _prove(result.text, name, sources, flavour)
    return result


def _holders(sources: list[Source]) -> Iterator[tuple[Source, Holder]]:
    for source in sources:
        holder = holder_of(source.value)
        if holder is not None:
            yield source, holder


def _judged(source: Source, holder: Holder, text: str, flavour: Flavour, result: TemplateFile) -> list[Change]:
    """Return the changes of one ConfigMap; what they are for goes to the findings."""
    path = ("data", holder.key("job"))
    template = texts_of(source.value, holder).get("job")
    if template is None:
        raise _refused(source, 1, f"{path[1]} is missing", "put the template of the release back")
    if len(template) > LONGEST:
        raise _refused(source, 1, f"the template is longer than {LONGEST >> 10} KiB", "shorten it")
    fix = "correct it by hand; kmodgate check tells what else is wrong"
    try:
        found = edits(template, flavour)
        result.findings += (_finding(source, path[1], edit) for edit in found)
        return changes(text, source.position(path), template, found)
    except UneditableError as error:
        raise _refused(source, error.line, str(error), fix) from None
    except UnknownStyleError as error:
        fix = "give the ConfigMap as kubectl get -o yaml or -o json writes it"
        raise _refused(source, 1, str(error), fix) from None


def _finding(source: Source, key: str, edit: Edit) -> Finding:
    path, new = ("data", key), " and ".join(item.strip() for item in edit.new)
    finding = Finding(edit.rule, edit.message, f"write {new}", title(source.value), file=_shown(source))
    return placed(finding, path, finding.file, source.line_position(path, edit.line + 1))


def _refused(source: Source, line: int, message: str, fix: str) -> Refused:
    holder = holder_of(source.value)
    path = ("data", holder.key("job")) if holder else ("data",)
    number, column = source.line_position(path, line)
    field = f"data[{path[-1]}]" if holder else "data"
    finding = Finding(
        "IMS203", message, fix, title(source.value), field, file=_shown(source), line=number, column=column
    )
    return Refused([finding], outcome=_OUTCOME)


def _shown(source: Source) -> str:
    return "<stdin>" if source.file == STDIN else source.file


def _prove(text: str, name: str, before: list[Source], flavour: Flavour) -> None:
    """Raise Unusable unless a changed file holds the same objects, with nothing but their templates put right."""
    problems: list[Finding] = []
    after = list(parse_objects(readable_chart(text), name, problems))
    is_same = len(after) == len(before) and not any(item.mode is Mode.ENFORCE for item in problems)
    for old, new in zip(before, after, strict=False):
        wanted = old.value
        if (holder := holder_of(wanted)) is not None:
            template = texts_of(wanted, holder)["job"]
            right = edited(template, edits(template, flavour))
            wanted = {**wanted, "data": {**wanted["data"], holder.key("job"): right}}
        is_same = is_same and new.value == wanted
    if not is_same:
        fix = "give the ConfigMap as kubectl get -o yaml writes it, and report this"
        raise Unusable(f"{name}: its lines cannot be put right without changing others", fix)
