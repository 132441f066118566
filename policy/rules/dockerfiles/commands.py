"""DKF: programs that a Dockerfile calls for the kernel that builds, and not for the one that is built for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.builds.dockerfile import KEY, SUBSTITUTION, Command, calls

_CONFIG_MAP = ("ConfigMap",)
_PATH = ("data", KEY)
_RELEASE = lazy_regex(r"-[a-z]*r[a-z]*|--kernel-release")
_TAKES_VALUE = lazy_regex(r"-[A-Za-z]*[bmoCEF]|--(?:basedir|moduledir|outdir|config|symvers|filesyms)")
_TELLS_ONLY = ("-h", "--help", "-V", "--version")


def _dockerfile(review: Review) -> object:
    return review.dockerfile


@rule("DKF105", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_dockerfile)
def depmod_without_kernel(review: Review) -> Iterator[Problem]:
    """`depmod` without the version of a kernel: it looks for modules of the kernel that the build runs on.

    The image then has no `modules.dep` for its kernel, and modprobe finds no module there.

    Fix: append the version: `depmod -b /opt ${KERNEL_FULL_VERSION}`.
    Source: depmod(8).
    """
    for command in _calls(review, "depmod"):
        if not _names_kernel(command.words[1:]):
            message = "depmod names no kernel, and takes that of the machine that builds"
            yield Problem(_PATH, message, "append the version: ${KERNEL_FULL_VERSION}", line=command.line)


@rule("DKF106", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_dockerfile)
def kernel_of_the_builder(review: Review) -> Iterator[Problem]:
    """`uname -r` in a RUN: it tells the kernel of the node that builds, which need not be that of the image.

    Fix: write `${KERNEL_FULL_VERSION}`, and `ARG KERNEL_FULL_VERSION` in the stage.
    Source: uname(1); Kernel Module Management, kmod images.
    """
    for command in _calls(review, "uname"):
        if any(_RELEASE.fullmatch(word) for word in command.words[1:]):
            message = "uname -r tells the kernel of the machine that builds, not that of the image"
            yield Problem(
                _PATH, message, "write ${KERNEL_FULL_VERSION}, declared by ARG in the stage", line=command.line
            )


def _calls(review: Review, program: str) -> Iterator[Command]:
    return iter(()) if review.dockerfile is None else calls(review.dockerfile, program)


def _names_kernel(words: Sequence[str]) -> bool:
    """Whether some words are more than options of depmod and their values, or may be."""
    if SUBSTITUTION in words:
        return True
    is_value = False
    for word in words:
        if word in _TELLS_ONLY or (not word.startswith("-") and not is_value and not word.startswith((">", "<", "2"))):
            return True
        is_value = not is_value and bool(_TAKES_VALUE.fullmatch(word))
    return False
