"""INJ: text that a shell or a Dockerfile of KMM would take for something else.

KMM pastes filesToSign, unsignedImage and dirName into a Dockerfile, in the stage that has the private key mounted, and
dirName and firmwarePath into a shell line of the init container, without quotes. Allowed is what a path needs.
Source: internal/buildsign/resource/templates/Dockerfile.gotmpl and internal/pod of Kernel Module Management.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.formats.regexps.go_regexps import Pattern, compile_pattern
from kmodgate.policy.kmm.kinds import BOOT_KINDS, PREFLIGHT_KINDS
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.present import LITERALS, SIGNS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.modules.mapping import as_regexp
from kmodgate.policy.views.module import IN_KERNEL_NAMES

_VARIABLE = lazy_regex(r"\$\{[A-Za-z0-9_]+\}|\$[A-Za-z0-9_]+")
_PATTERN = lazy_regex(r"[A-Za-z0-9/._+@=,:~%^*?\[\]!-]*")
_PATH = lazy_regex(r"[A-Za-z0-9/._+@=,:~%-]*")
_IMAGE = lazy_regex(r"[A-Za-z0-9/._:@+\[\]-]*")


@rule("INJ101", needs=SIGNS)
def shell_in_files_to_sign(review: Review) -> Iterator[Problem]:
    """A file to sign with characters that a shell or a Dockerfile acts on: spaces, `;`, `|`, `$(`, line breaks.

    The text runs in the build, beside the private key.

    Fix: use letters, digits, `/ . _ + -`, the patterns `* ? [ ]` and KMM's variables.
    Source: templates/Dockerfile.gotmpl in internal/buildsign/resource of Kernel Module Management.
    """
    for path, text in review.module.files_to_sign:
        yield from _refused(path, text, _PATTERN, variables=True)


def is_shell(file: str) -> bool:
    """Return whether a file to sign has characters that a shell or a Dockerfile acts on (INJ101)."""
    return not _PATTERN.fullmatch(_VARIABLE.sub("", file))


@rule("INJ102")
def shell_in_directories(review: Review) -> Iterator[Problem]:
    """`dirName` or `firmwarePath` with characters that a shell acts on.

    The init container of every node runs them in an unquoted shell line.

    Fix: use letters, digits and `/ . _ + -`.
    Source: internal/pod of Kernel Module Management.
    """
    for key in ("dirName", "firmwarePath"):
        text = review.module.modprobe.text(key)
        if _PATH.fullmatch(text):
            continue
        path = (*review.module.modprobe.path, key)
        if "${" in text and _PATH.fullmatch(_VARIABLE.sub("", text)):
            above = text.partition("/lib/modules/")[0]
            fix = f"write {above}" if key == "dirName" and above != text else "write the value out"
            yield Problem(path, f"KMM fills no variable here, and a shell would fill {text!r}", fix)
        else:
            yield from _refused(path, text, _PATH, variables=False)


@rule("INJ103", needs=SIGNS)
def dockerfile_in_unsigned_image(review: Review) -> Iterator[Problem]:
    """`unsignedImage` with characters that no image name has. It becomes a FROM line of a Dockerfile as it stands.

    Fix: write the name of an image, with KMM's variables if wanted.
    Source: templates/Dockerfile.gotmpl in internal/buildsign/resource of Kernel Module Management.
    """
    for path, text in review.module.unsigned_images:
        yield from _refused(path, text, _IMAGE, variables=True)


@rule("INJ104", needs=LITERALS)
def kernel_with_odd_characters(review: Review) -> Iterator[Problem]:
    """A literal kernel version with characters that no kernel has, and that would end up in names and paths.

    Fix: write what `uname -r` prints, or `regexp` in place of `literal` for an expression.
    Source: internal/kernel/kernel.go of Kernel Module Management.
    """
    for mapping in review.module.literals:
        for problem in _refused((*mapping.part.path, "literal"), mapping.literal, IN_KERNEL_NAMES, variables=False):
            yield problem._replace(fix=_kernel_to_write(mapping.literal))


def _kernel_to_write(literal: str) -> str:
    """The fix for a literal with characters that no kernel has."""
    if _is_expression(literal) or ("*" in literal and IN_KERNEL_NAMES.fullmatch(literal.replace("*", ""))):
        return as_regexp(literal)
    bare = literal.strip()
    return f"write {bare}" if IN_KERNEL_NAMES.fullmatch(bare) else "write what uname -r prints on the nodes"


def _is_expression(literal: str) -> bool:
    """Whether a literal was meant as a regular expression, and is one."""
    return bool(_OPERATORS.search(literal)) and isinstance(compile_pattern(literal), Pattern)


_OPERATORS = lazy_regex(r"^\^|\$$|\.[*+]|\\[.dw]|[(\[|]")


@rule("INJ107", kinds=PREFLIGHT_KINDS)
def preflight_with_odd_characters(review: Review) -> Iterator[Problem]:
    """The kernel of a preflight validation has characters that no kernel has, and that end up in names and paths.

    Fix: write what `uname -r` prints on a node with that kernel.
    Source: internal/preflight of Kernel Module Management.
    """
    spec = review.object.get("spec")
    version = spec.get("kernelVersion") if isinstance(spec, dict) else None
    if isinstance(version, str):
        yield from _refused(("spec", "kernelVersion"), version, IN_KERNEL_NAMES, variables=False)


@rule("INJ105")
def directory_that_is_not_absolute(review: Review) -> Iterator[Problem]:
    """`dirName` that is relative, or `dirName` or `firmwarePath` that leads upwards with `..`.

    Fix: write an absolute path without `..`: `/opt`.
    Source: internal/pod and internal/worker of Kernel Module Management.
    """
    modprobe = review.module.modprobe
    for key in ("dirName", "firmwarePath"):
        text = modprobe.text(key)
        if ".." in text and ".." in text.split("/"):
            yield modprobe.problem(key, f"{text!r} leads upwards", "write it without ..")
        elif key == "dirName" and text and not text.startswith("/"):
            yield modprobe.problem(key, f"{text!r} is not an absolute path", "write it from / on")


@rule("INJ106", severity=Severity.WARNING)
def relative_firmware_path(review: Review) -> Iterator[Problem]:
    """A `firmwarePath` that is relative: where it leads depends on the working folder of the image.

    Fix: write it from `/` on.
    Source: internal/pod of Kernel Module Management, which copies from that path in the image.
    """
    text = review.module.modprobe.text("firmwarePath")
    if text and not text.startswith("/"):
        message = f"{text!r} depends on the working folder of the image"
        yield review.module.modprobe.problem("firmwarePath", message, f"write /{text}")


@rule("INJ108", kinds=BOOT_KINDS)
def boot_with_odd_characters(review: Review) -> Iterator[Problem]:
    """What is loaded at boot is named with characters that a shell acts on, or by a path that leads upwards.

    KMM writes the texts into a MachineConfig, as the environment and the arguments of a script that runs as root.

    Fix: use letters, digits and `/ . _ + -`.
    Source: internal/mcproducer of rh-ecosystem-edge/kernel-module-management.
    """
    for path, _, text in review.texts:
        yield from _refused(path, text, _PATH, variables=False)
        if ".." in text.split("/"):
            yield Problem(path, f"{text!r} leads upwards", "write it without ..")


def _refused(path: FieldPath, text: str, allowed: re.Pattern[str], *, variables: bool) -> Iterator[Problem]:
    plain = _VARIABLE.sub("", text) if variables else text
    if not allowed.fullmatch(plain):
        odd = next(char for char in plain if not allowed.fullmatch(char))
        fix = f"use what a path needs: letters, digits, / . _ + -{' and * ? [ ]' if allowed is _PATTERN else ''}"
        yield Problem(path, f"the character {odd!r} would be acted upon by a shell or a Dockerfile", fix)
