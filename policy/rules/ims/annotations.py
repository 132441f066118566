"""IMS3: annotations of job templates for Kata, against what the policy permits and the runtime of the cluster reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.ims.template_text import State
from kmodgate.policy.ims.templates import XATTR, XATTR_VALUES
from kmodgate.policy.kata.view import HANDLERS, HYPERVISOR
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.ims.classes import job_class, runtime_class

_CONFIG_MAP = ("ConfigMap",)
_POD_METADATA = ("spec", "template", "metadata")
_RUST = "-runtime-rs"


def _job(review: Review) -> object:
    return review.job_templates is not None and review.job_templates.job


@rule("IMS304", kinds=_CONFIG_MAP, severity=Severity.WARNING, parameter="names_kata_annotations", needs=_job)
def annotation_not_permitted(review: Review) -> Iterator[Problem]:
    """A job template with an annotation for Kata's hypervisor that the policy does not permit.

    With the Go runtime a pod with an annotation that the node does not permit never starts; from Kata 3.31 on
    `virtio_fs_extra_args`, which every customize job of IMS has, is among those. The Rust runtime ignores it, and the
    webhook takes it away.

    Fix: have it permitted on the nodes and in `parameters.kata.annotations`, or remove it from the template.
    Source: src/runtime/pkg/oci/utils.go of kata-containers/kata-containers.
    """
    permitted = review.parameters.kata.annotations or {}
    for key, _, line in _annotations(review):
        if key not in permitted:
            message = f"the policy does not permit {key}, which the pods of the template have"
            yield _problem(review, line, message, "have it permitted, or remove it")


@rule("IMS305", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_job)
def annotation_of_the_other_runtime(review: Review) -> Iterator[Problem]:
    """A job template with options for virtiofsd in the syntax of the other runtime of Kata.

    The Go runtime reads a list in JSON, `["-o", "xattr"]`, the Rust runtime, the default from Kata 4.0 on, words
    between commas, `-o,xattr`. Of the other syntax they make options that virtiofsd does not know. Which runtime it is
    follows from the value that the policy permits, or from the handler of the RuntimeClass, if that is known.

    Fix: write the value in the syntax of the runtime.
    Source: src/runtime/pkg/oci/utils.go and src/libs/kata-types/src/annotations/mod.rs of kata-containers.
    """
    flavour, reason = _flavour(review)
    for key, value, line in _annotations(review) if flavour else ():
        if key == XATTR and (value.lstrip().startswith("[") != (flavour == "go")):
            message = f"{value} is not in the syntax of the {flavour.capitalize()} runtime, which {reason}"
            yield _problem(review, line, message, f"write {key}: '{XATTR_VALUES[flavour]}'")


def _annotations(review: Review) -> Iterator[tuple[str, str, int]]:
    """Yield the annotations for the hypervisor of the pods of a template, each with its line."""
    templates = review.job_templates
    pod = templates.pods.get(State(dkms=True, arch="x86_64", remote=False)) if templates else None
    if templates is None or templates.job is None or pod is None:
        return
    for key, value in pod.metadata.map("annotations").value.items():
        if key.startswith(HYPERVISOR) and isinstance(value, str):
            yield key, value, templates.job.line((*_POD_METADATA, "annotations", key))


def _flavour(review: Review) -> tuple[str, str]:
    """Return the flavour of the runtime and how it is known; empty texts where nobody knows."""
    permitted = (review.parameters.kata.annotations or {}).get(XATTR)
    if permitted is not None:
        return "go" if permitted.lstrip().startswith("[") else "rust", "the value that the policy permits is for"
    wanted = job_class(review.ims, "x86_64")
    item = runtime_class(review.facts, wanted.name) if review.facts and wanted else None
    handler = item.get("handler") if isinstance(item, Mapping) else None
    if isinstance(handler, str) and wanted:
        if handler.endswith(_RUST):
            return "rust", f"RuntimeClass {wanted.name} has ({handler})"
        if handler in HANDLERS and f"{handler}{_RUST}" in HANDLERS:
            return "go", f"RuntimeClass {wanted.name} has ({handler})"
    return "", ""


def _problem(review: Review, line: int, message: str, fix: str) -> Problem:
    assert review.job_templates is not None
    return review.job_templates.problem("job", line, message, fix)
