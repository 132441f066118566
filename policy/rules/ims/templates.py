"""IMS2: job templates that IMS cannot fill in, or of which no objects can be made."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.ims.template_text import Placeholder, plain_scalars
from kmodgate.policy.ims.template_view import JobTemplates
from kmodgate.policy.ims.templates import (
    ARCHIVE_NAME,
    CAPABILITIES,
    CLAIMS_SINCE,
    FREE_TEXTS,
    KINDS,
    OLD_CAPABILITIES,
    PUBLIC_KEY,
    VARIABLES,
    Resource,
    Span,
    Version,
    supplied,
)
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_CONFIG_MAP = ("ConfigMap",)


def _templates(review: Review) -> object:
    return review.job_templates


@rule("IMS201", kinds=_CONFIG_MAP, needs=_templates)
def placeholder_without_value(review: Review) -> Iterator[Problem]:
    """A placeholder of a job template that IMS does not fill in: every job of that kind is answered with 500.

    IMS fills in what its release knows, and stops at any other name, in comments too. ConfigMap and Service of the job
    may be left behind. Templates that were edited by hand and applied again after an upgrade are the usual cause:
    `$security_capabilites`, as IMS wrote it until 3.17.1, is `$security_capabilities` from 3.17.2 on. HPE's template
    for packer has `$s3_host`, which no release fills in. Where the release is not known, a name that older
    releases have is a note, unless something else in the templates is of a newer one.

    Fix: write the name that the message gives, or `$$` for a dollar sign.
    Source: create_kubernetes_resources in src/server/v3/resources/jobs.py of Cray-HPE/ims, 3.8.0 to 3.33.0.
    """
    if (templates := review.job_templates) is None:
        return
    for resource, found in templates.placeholders.items():
        for item in found:
            if item.name:
                yield from _judged(templates, resource, item)


def _judged(templates: JobTemplates, resource: Resource, item: Placeholder) -> Iterator[Problem]:
    span, known = VARIABLES.get(item.name), supplied(templates.holder.job, None)
    if span is None or item.name not in known:
        names = sorted(supplied(templates.holder.job, templates.release) - {OLD_CAPABILITIES})
        close = difflib.get_close_matches(item.name, names, n=1)
        fix = f"did you mean ${close[0]}? For a dollar sign write $$" if close else "remove it; for a dollar sign: $$"
        reason = "only create jobs have it" if span else "no release of IMS fills it in"
        yield templates.problem(resource, item.line, f"{item.shown}: {reason}; {_outcome(templates)}", fix)
    elif templates.release is not None and not span.holds(templates.release):
        releases = f"IMS {_text(templates.release)} does not fill it in, releases {_when(span)} do"
        reason = f"{releases}; {_outcome(templates)}"
        yield templates.problem(resource, item.line, f"{item.shown}: {reason}", _instead(item.name))
    elif templates.release is None and span.end is not None:
        message = f"{item.shown}: not filled in from IMS {_text(span.end)} on; {_outcome(templates)} there"
        likely, severity = templates.likely_releases, Severity.INFO
        if likely.is_empty:
            severity = Severity.ERROR if templates.releases.is_empty else Severity.WARNING
            message += f", and something else in the templates is of {_text(likely.first)} or later"
        yield templates.problem(resource, item.line, message, _instead(item.name), severity)


def _when(span: Span) -> str:
    """Return which releases fill a placeholder in, as part of a sentence."""
    since = f"from {_text(span.first)} on" if span.first else ""
    return " and ".join(filter(None, (since, f"before {_text(span.end)}" if span.end else "")))


def _instead(name: str) -> str:
    names = (OLD_CAPABILITIES, CAPABILITIES)
    return f"write ${names[names[0] == name]}" if name in names else "remove it"


def _outcome(templates: JobTemplates) -> str:
    holder = templates.holder
    jobs = f"{holder.job} job of {holder.recipe}" if holder.recipe else f"{holder.job} job"
    return f"every {jobs} is answered with 500"


def _text(version: Version) -> str:
    return ".".join(map(str, version))


@rule("IMS202", kinds=_CONFIG_MAP, needs=_templates)
def stray_dollar(review: Review) -> Iterator[Problem]:
    """A dollar sign in a job template that begins no placeholder, `$(nproc)` say: every job is answered with 500.

    IMS reads templates with Python's string.Template, which takes any dollar sign for a placeholder.

    Fix: write `$$`, which becomes one dollar sign.
    Source: create_kubernetes_resources in src/server/v3/resources/jobs.py of Cray-HPE/ims; string.Template of Python.
    """
    if (templates := review.job_templates) is None:
        return
    for resource, found in templates.placeholders.items():
        for item in found:
            if not item.name:
                message = f"{item.shown}: the dollar sign begins no placeholder; {_outcome(templates)}"
                yield templates.problem(resource, item.line, message, f"write ${item.shown}")


@rule("IMS203", kinds=_CONFIG_MAP, needs=_templates)
def template_of_no_object(review: Review) -> Iterator[Problem]:
    """A job template that is no object of Kubernetes once it is filled in, in some state of a job at least.

    Each template is filled in with and without DKMS, for x86_64 and aarch64, remote and not; loaded as IMS loads it;
    and held against the schema of its kind. Where that fails the job is answered with 500, and what was made before is
    left behind. A field that Kubernetes does not know and HPE's own templates have is a note: it is dropped.

    Fix: what the message says.
    Source: create_kubernetes_resources in src/server/v3/resources/jobs.py of Cray-HPE/ims; the API of Kubernetes.
    """
    if (templates := review.job_templates) is None:
        return
    for resource, found in templates.filled.items():
        for flaw in found.flaws(review.cluster.schema_of):
            severity = Severity.INFO if flaw.is_hint else None
            yield templates.problem(resource, flaw.line, flaw.message, flaw.fix, severity)


@rule("IMS207", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_templates)
def name_without_quotes(review: Review) -> Iterator[Problem]:
    """A text that whoever asks for a job chooses, in a job template without quotes.

    A name such as `123` or `yes` is a number or a boolean then, and the API server refuses the Job; `a: b` and the `#`
    in the comment of a key break or cut the document. HPE's own templates have this for the name of the archive, the
    public key, and the names of kernel, initrd and parameters; the last three, which nobody changes, are a note.

    Fix: put the placeholder in double quotes.
    Source: kubernetes/cray-ims/templates and src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    if (templates := review.job_templates) is None:
        return
    for resource, text in templates.texts.items():
        places: dict[str, list[Placeholder]] = {}
        for item in plain_scalars(text):
            if item.name in FREE_TEXTS:
                places.setdefault(item.name, []).append(item)
        for first, *others in places.values():
            also = f", nor in line {_lines(others)} of the template" if others else ""
            message = f"{first.shown} is not in quotes{also}: a value such as 123, yes or a: b is no text there"
            severity = None if first.name in (ARCHIVE_NAME, PUBLIC_KEY) else Severity.INFO
            yield templates.problem(resource, first.line, message, f'write "{first.shown}"', severity)


def _lines(found: Iterable[Placeholder]) -> str:
    return " and ".join(str(item.line) for item in found)


@rule("IMS210", kinds=_CONFIG_MAP, needs=_templates)
def template_missing(review: Review) -> Iterator[Problem]:
    """A ConfigMap of job templates without one of the keys that IMS reads: every job is answered with 500.

    The template of a PersistentVolumeClaim is read from 3.10.0 on. Of a ConfigMap with a single template, which may be
    cut out of the whole, it is a note.

    Fix: put it back, from the chart of the release.
    Source: create_kubernetes_resources in src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    if (templates := review.job_templates) is None:
        return
    for resource in KINDS:
        is_read = resource != "pvc" or templates.oldest >= CLAIMS_SINCE
        if is_read and resource not in templates.texts:
            message = f"{templates.holder.key(resource)} is missing: {_outcome(templates)}"
            severity = Severity.INFO if len(templates.texts) == 1 else None
            yield Problem(("data",), message, "put the template of the release back", severity)
