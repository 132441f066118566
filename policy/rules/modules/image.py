"""IMG: references that name another image than their author means, or none that can be pulled or pushed."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from kmodgate.policy.cluster.operator_images import RUNNING_KINDS
from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.formats.image_references import corrected, oddity, parse_image
from kmodgate.policy.kmm.kinds import MACHINE_CONFIG, MODULE_KINDS, WITH_IMAGES
from kmodgate.policy.kmm.resolution.substitution import BadTemplate, names
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.present import REGISTRIES
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.module import LONGEST

_KERNEL = {"KERNEL_FULL_VERSION", "KERNEL_VERSION", "KERNEL_XYZ", "KERNEL_X", "KERNEL_Y", "KERNEL_Z"}
_MODULE = {"MOD_NAME", "MOD_NAMESPACE"}
_IN_IMAGES = _KERNEL | _MODULE
_WITH_DEFAULT = lazy_regex(r"\$\{(\w+)[:=+-]")
_NEAR = 0.9
"""How alike two names are (difflib's ratio) of which one is a slip of the other."""

_MOVING = ("latest", "stable", "main", "master", "edge", "dev", "nightly")


_KINDS = (*MODULE_KINDS, *WITH_IMAGES, MACHINE_CONFIG, *RUNNING_KINDS)


@rule("IMG101", severity=Severity.WARNING)
def port_for_a_tag(review: Review) -> Iterator[Problem]:
    """An image without tag or digest, which KMM accepts because the port of its registry has a colon.

    The container runtime then pulls `latest`.

    Fix: append a tag or a digest.
    Source: validateImageFormat in internal/webhook/module.go; github.com/distribution/reference.
    """
    for path, image in review.module.images:
        parsed = parse_image(image)
        if parsed and not parsed.tag and not parsed.digest and ":" in image:
            yield Problem(
                path,
                f"{image} has no tag: the colon is that of a port",
                "add a tag that names its version, or a digest",
            )


@rule("IMG102", kinds=_KINDS, severity=Severity.WARNING)
def moving_tag(review: Review) -> Iterator[Problem]:
    """An image whose tag moves: `latest`, `main` and the like.

    KMM compares names. When the tag moves, loaded nodes keep the old module, new ones load another, and nothing tells.

    Fix: name a version, or a digest.
    Source: internal/controllers/nmc_reconciler.go of Kernel Module Management.
    """
    module = review.module
    for path, image in (*module.images, *module.unsigned_images, *module.pod_images, *review.other_images):
        parsed = parse_image(image)
        if parsed and parsed.tag.lower() in _MOVING and not parsed.digest:
            message = f"the tag of {image} moves"
            yield Problem(path, message, "name a version or a digest", line=review.line_of(path, image))


@rule("IMG103")
def push_to_a_digest(review: Review) -> Iterator[Problem]:
    """An image that is built or signed, and named by digest.

    What is pushed gets the digest that it has; it cannot be told which. A mapping that only inherits build or sign may
    name an image that exists: KMM then builds nothing.

    Fix: give the image a tag, or remove build and sign.
    Source: OCI distribution specification, pushing manifests.
    """
    for level in review.module.levels:
        if ("build" in level.value or "sign" in level.value) and "@" in (image := level.text("containerImage")):
            message = f"{image} is built or signed, and has a digest"
            fix = "give it a tag with ${KERNEL_FULL_VERSION} in place of the digest"
            yield level.problem("containerImage", message, fix)


_FORM = "write registry/path:tag, the path in lower case, or a digest of sha256 with its 64 digits"


@rule("IMG104", kinds=_KINDS)
def not_a_reference(review: Review) -> Iterator[Problem]:
    """Text that no registry takes for the name of an image: capitals in the path, spaces, an odd tag, a short digest.

    Images of plugins are judged as they stand, because KMM fills no variable there, and one of them without a name is
    refused by the API server.

    Fix: correct the name: `registry.example.com/team/driver:1.0.0`.
    Source: github.com/distribution/reference; validateContainers in pkg/apis/core/validation of Kubernetes.
    """
    for container in review.module.containers:
        if container.value.get("image") == "":
            yield container.problem("image", "the container has no image", "write the name of its image")
    module = review.module
    for path, image in (*module.images, *module.unsigned_images, *module.pod_images, *review.other_images):
        if len(image) > LONGEST:
            message = f"{image[:40]!r}… is not the name of an image: it has {len(image)} characters"
            yield Problem(path, message, _FORM, line=review.line_of(path, image))
        elif parse_image(image) is None and not _is_broken(image):
            why = oddity(image)
            fix = f"write {better}" if (better := corrected(image)) else _FORM
            message = f"{image!r} is not the name of an image{f': {why}' if why else ''}"
            yield Problem(path, message, fix, line=review.line_of(path, image))


@rule("IMG105", severity=Severity.WARNING, needs=REGISTRIES)
def insecure_registry(review: Review) -> Iterator[Problem]:
    """A registry that is reached without TLS, or whose certificate is not checked.

    Whoever is on the way can put another module into ring 0.

    Fix: give the nodes the certificate authority of the registry, and remove the flag.
    Source: TLSOptions in api/v1beta1/module_types.go of Kernel Module Management.
    """
    for part in review.module.registries:
        for key in ("insecure", "insecureSkipTLSVerify"):
            if part.value.get(key) is True:
                fix = "trust the registry's certificate instead"
                yield part.problem(key, "anybody on the way can replace the image", fix)


@rule("IMG106", kinds=_KINDS, severity=Severity.WARNING)
def untagged_pod_image(review: Review) -> Iterator[Problem]:
    """An image without tag or digest, for which `latest` is pulled.

    Judged are the images of device plugins, DRA drivers, PreflightValidationOCP, of what is signed, of what is loaded
    at boot, of KMM's operator and of the Jobs that install it, and of drivers that DaemonSets load. The
    `kernelModuleImage` of a BootModuleConfig has no tag, because KMM appends the version of the kernel.

    Fix: name a version, or a digest.
    Source: github.com/distribution/reference; KMM looks at the images of the loader only.
    """
    others = ((path, image) for path, image in review.other_images if not review.is_tagged_later(path, image))
    loaders = [item for item in review.module.images if ":" not in item[1]] if review.in_image else ()
    for path, image in (*loaders, *review.module.pod_images, *review.module.unsigned_images, *others):
        parsed = parse_image(image)
        if parsed and not parsed.tag and not parsed.digest:
            message, fix = f"{image} has neither tag nor digest", "add a tag that names its version, or a digest"
            yield Problem(path, message, fix, line=review.line_of(path, image))


@rule("IMG201")
def unknown_variable(review: Review) -> Iterator[Problem]:
    """A variable that KMM does not set, in a field that it fills: it becomes nothing.

    `${MOD_NAME}` and `${MOD_NAMESPACE}` are set in containerImage only, not in the fields of `sign`.

    Fix: use KERNEL_FULL_VERSION, KERNEL_XYZ, KERNEL_X, KERNEL_Y or KERNEL_Z; in containerImage also MOD_NAME and
    MOD_NAMESPACE.
    Source: internal/utils/replaceStrings.go and internal/module/kernelmapper.go of Kernel Module Management.
    """
    for path, text, is_image in review.module.templates:
        known = _IN_IMAGES if is_image else _KERNEL
        try:
            unknown = names(text) - known
        except BadTemplate:
            continue
        for name in sorted(unknown - set(_WITH_DEFAULT.findall(text))) if unknown else ():
            words = sorted(name.upper().split("_"))
            near = [item for item in known if sorted(item.split("_")) == words]
            near = near or get_close_matches(name.upper(), known, n=1, cutoff=_NEAR)
            fix = f"write ${{{near[0]}}}" if near else f"use one of: {', '.join(sorted(known))}"
            yield Problem(path, f"${{{name}}} is not set here, and becomes nothing", fix)


@rule("IMG202")
def unclosed_variable(review: Review) -> Iterator[Problem]:
    """A `${` without its `}`. KMM fails at every reconcile, after the Module has been accepted.

    Fix: close the brace; write `$$` for a dollar sign.
    Source: github.com/a8m/envsubst, which KMM fills templates with.
    """
    for path, text, _ in review.module.templates:
        if _is_broken(text):
            yield Problem(path, f"a brace in {text!r} is not closed", "close it: ${KERNEL_FULL_VERSION}")


@rule("IMG203", severity=Severity.WARNING)
def variable_that_stays(review: Review) -> Iterator[Problem]:
    """A variable of KMM in a field that KMM does not fill: it stays as it is written.

    In `dirName` and `firmwarePath` it is refused (INJ102).

    Fix: write the value out, or move it to a field that KMM fills.
    Source: internal/module/kernelmapper.go of Kernel Module Management.
    """
    for path, text in (*review.module.parameters, *review.module.pod_images):
        yield from _staying(path, text)


def _staying(path: FieldPath, text: str) -> Iterator[Problem]:
    if "${" in text and any(f"${{{name}" in text for name in _IN_IMAGES):
        yield Problem(path, f"KMM fills no variable here: {text!r} stays as it is", "write the value out")


def _is_broken(text: str) -> bool:
    try:
        names(text)
    except BadTemplate:
        return True
    return False
