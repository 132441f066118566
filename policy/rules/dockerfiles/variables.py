"""DKF: variables of a Dockerfile that are empty in the stage that uses them, or never filled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.formats.dockerfiles import (
    Dockerfile,
    Instruction,
    Stage,
    Variable,
    declared,
    is_escaped,
    variables,
)
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.present import BUILD_ARGUMENTS as ARGUMENTS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.builds.build import Build, builds, builds_from, container_arguments
from kmodgate.policy.views.builds.dockerfile import BUILD_ARGUMENTS, KEY, dockerfile_of, script
from kmodgate.policy.views.part import Map

_CONFIG_MAP = ("ConfigMap",)
_PATH = ("data", KEY)
_NEAR = 0.9
"""How alike two names are (difflib's ratio) of which one is a slip of the other."""

_KERNEL = lazy_regex(
    r"(?:TARGET_|LINUX_)?K(?:ERN(?:EL)?)?_?(?:V(?:ER(?:SION)?)?|REL(?:EASE)?)?|UNAME(?:_R)?", re.IGNORECASE
)
"""Names that authors give to the version of the kernel."""

_PREDEFINED = lazy_regex(r"(?:HTTPS?|FTP|NO|ALL)_PROXY", re.IGNORECASE)
_QUOTED = lazy_regex(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|\\.", re.DOTALL)
_SET_BY_LOOP = lazy_regex(r"(?:^|[\s;|&(])(?:for\s+([A-Za-z_]\w*)\s|read\s+(?:-\w+\s+)*([A-Za-z_]\w*))")
_COMMAND_ENDS = lazy_regex(r"[\n;|&()`]")
_ASSIGNMENT = lazy_regex(r"([A-Za-z_]\w*)=")
_BEFORE_ASSIGNMENTS = {
    "export", "declare", "local", "readonly", "typeset", "env", "if", "then", "else", "elif", "while", "do", "{", "!",
}  # fmt: skip
_ESCAPED = lazy_regex(r"\\\$\{?([A-Za-z_]\w*)")


def _dockerfile(review: Review) -> object:
    return review.dockerfile


@rule("DKF101", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_dockerfile)
def variable_without_argument(review: Review) -> Iterator[Problem]:
    """A variable is used in a stage of a Dockerfile that does not declare it with ARG, and is empty there.

    An ARG counts in its own stage only, and one before the first FROM only in FROM lines. The rule looks at the
    variables of FROM, at those that KMM sets, and at those that the Dockerfile declares elsewhere.

    Fix: add `ARG NAME` to the stage, below its FROM.
    Source: Dockerfile reference of Docker, ARG (scope); internal/buildsign/resource of Kernel Module Management.
    """
    found = review.dockerfile
    if found is None:
        return
    known = {*BUILD_ARGUMENTS, *found.arguments}
    known.update(name for stage in found.stages for item in stage.instructions for name, _ in _declared(item))
    known = {name for name in known if not _PREDEFINED.fullmatch(name)}
    there: dict[str, set[str]] = {}
    for stage in found.stages:
        for item in variables(stage.image, found.escape):
            if item.name == "DTK_AUTO" and _why_not_filled(review):
                continue  # an ARG would not help: DKF103 tells why
            if item.name not in found.arguments and not _has_default(item):
                message = f"{item.name} is empty in FROM: no ARG before the first FROM declares it"
                yield Problem(_PATH, message, f"add the line: ARG {item.name}", line=stage.line)
        names = set(there.get(stage.image.lower(), ()))
        yield from _undeclared(stage, found, known, names)
        if stage.name:
            there[stage.name] = names


def _undeclared(stage: Stage, dockerfile: Dockerfile, known: set[str], names: set[str]) -> Iterator[Problem]:
    """The variables that a stage uses without declaring them, each once; `names` takes what it declares."""
    told: set[str] = set()
    for item in stage.instructions:
        for name, line in _used(item, dockerfile.escape):
            if name in known and name not in names and name not in told:
                told.add(name)
                message = f"{name} is empty here: this stage declares no ARG {name}"
                yield Problem(_PATH, message, f"add the line to the stage, below its FROM: ARG {name}", line=line)
        names.update(name for name, _ in _declared(item))


def _used(item: Instruction, escape: str) -> Iterator[tuple[str, int]]:
    """The variables that an instruction uses, with their lines; not those that a shell sets itself, or never reads."""
    if not item.may_hold("$"):
        return
    if item.keyword != "RUN":
        for line in item.lines:
            yield from ((use.name, line.number) for use in variables(line.text, escape) if not _has_default(use))
        return
    text, starts, numbers = script(item)
    text = _QUOTED.sub(lambda match: match[0] if match[0][0] == '"' else " " * len(match[0]), text)
    own = _set_by_shell(text)
    for number, start, end in zip(numbers, starts, [*starts[1:], len(text)], strict=True):
        for use in variables(text[start:end]):
            if use.name not in own and not _has_default(use):
                yield use.name, number


def _set_by_shell(text: str) -> set[str]:
    """The variables that a script sets: not those that it hands to a program, as `make KVER=$KVER` does."""
    found = {name for names in _SET_BY_LOOP.findall(text) for name in names}
    for command in _COMMAND_ENDS.split(_QUOTED.sub('""', text)):
        for word in command.split():
            if match := _ASSIGNMENT.match(word):
                found.add(match[1])
            elif word not in _BEFORE_ASSIGNMENTS and not word.startswith("-"):
                break
    return found


def _declared(item: Instruction) -> Iterator[tuple[str, str]]:
    return declared(item) if item.keyword in ("ARG", "ENV") else iter(())


def _has_default(use: Variable) -> bool:
    return use.rest.startswith((":-", "-", ":=", "=", ":+", "+", ":?", "?"))


@rule("DKF111", kinds=_CONFIG_MAP, facts=True, severity=Severity.WARNING, needs=_dockerfile)
def nearly_an_argument_of_kmm(review: Review) -> Iterator[Problem]:
    """An ARG whose name is nearly that of a build argument of KMM: nobody fills it, and it is empty.

    KMM sets `KERNEL_VERSION`, `KERNEL_FULL_VERSION`, `MOD_NAME`, `MOD_NAMESPACE`, and Red Hat's also `DTK_AUTO`. Where
    the Module that is built from the Dockerfile is known, an ARG that a FROM takes is one, too, and one that is named
    for the kernel, `KVER` say: neither the Module nor the Dockerfile gives it a value.

    Fix: write the name that KMM sets, in the ARG and where it is used, or give the argument a value in buildArgs.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    found = review.dockerfile
    if found is None:
        return
    taking = list(builds_from(_modules_beside(review), str(metadata_of(review.object).get("name"))))
    told = {name for build in taking for name in build.values}
    instructions = (*found.head, *(item for stage in found.stages for item in stage.instructions))
    needed = _needed(found, instructions) if taking else set()
    for item in instructions:
        for name, value in declared(item) if item.keyword == "ARG" else ():
            if name in told or value:
                continue
            near = _near(name)
            if near or name in needed:
                told.add(name)
                fix = f"write {near}" if near else f"write KERNEL_FULL_VERSION, or give {name} a value in buildArgs"
                if not near and not _KERNEL.fullmatch(name):
                    fix = f"give {name} a value here, or in buildArgs"
                what = f"KMM sets {near}" if near else "no buildArgs have it, and it has no value here"
                yield Problem(_PATH, f"nobody sets {name}: {what}", fix, line=item.line)


def _needed(dockerfile: Dockerfile, instructions: Iterable[Instruction]) -> set[str]:
    """The arguments without which a build fails: those of FROM, and those named for the kernel that are used."""
    items = list(instructions)
    known = {name for item in items for name, value in _declared(item) if value}
    images = {
        use.name
        for stage in dockerfile.stages
        for use in variables(stage.image, dockerfile.escape)
        if not _has_default(use) and use.name in dockerfile.arguments
    }
    used = {name for item in items for name, _ in _used(item, dockerfile.escape) if _KERNEL.fullmatch(name)}
    return (images | used) - known - {*BUILD_ARGUMENTS}


def _modules_beside(review: Review) -> Iterable[Map]:
    """The known Modules of the namespace of a ConfigMap."""
    return review.known.listing("Module", str(metadata_of(review.object).get("namespace", ""))).objects


def _near(name: str) -> str:
    """The build argument of KMM that a name is a slip of; empty where it is one, or of somebody else."""
    if name in BUILD_ARGUMENTS:
        return ""
    words = sorted(name.upper().split("_"))
    same = [known for known in BUILD_ARGUMENTS if sorted(known.split("_")) == words]
    close = same or get_close_matches(name.upper(), BUILD_ARGUMENTS, n=1, cutoff=_NEAR)
    return close[0] if close else ""


@rule("DKF103", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_dockerfile)
def toolkit_that_nobody_fills_in(review: Review) -> Iterator[Problem]:
    """`DTK_AUTO` in a Dockerfile for a cluster that is no OpenShift, or has upstream's KMM: it is empty there.

    Red Hat's KMM fills it with the driver toolkit of the node's OpenShift release. Everywhere else the build ends at
    the first line, with `base name should not be blank`.

    Fix: name an image with the headers of the kernel in FROM, by way of a build argument, say.
    Source: internal/build of Red Hat's Kernel Module Management; its documentation, kmod images.
    """
    found, why = review.dockerfile, _why_not_filled(review)
    if found is None or not why or found.arguments.get("DTK_AUTO"):
        return
    for stage in found.stages:
        if any(item.name == "DTK_AUTO" and not _has_default(item) for item in variables(stage.image, found.escape)):
            message = f"DTK_AUTO is empty here, because {why}: only Red Hat's KMM on OpenShift fills it"
            yield Problem(_PATH, message, "name an image that has the headers of the kernel", line=stage.line)


def _why_not_filled(review: Review) -> str:
    """Why no KMM of the cluster fills DTK_AUTO; empty where one may."""
    cluster = review.cluster
    may_be_redhat = cluster.release.redhat or cluster.release.kmm in ("", "head")
    if cluster.is_any or (cluster.platform == "openshift" and may_be_redhat):
        return ""
    return "the cluster is no OpenShift" if cluster.platform != "openshift" else "the cluster has upstream's KMM"


@rule("DKF107", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_dockerfile)
def escaped_variable(review: Review) -> Iterator[Problem]:
    """A variable of the build with a backslash before it, `\\\\${KERNEL_FULL_VERSION}`: it stays as it is written.

    The backslash is left over from a here-document of a shell that wrote the file.

    Fix: remove the backslash.
    Source: Dockerfile reference of Docker, environment replacement.
    """
    found = review.dockerfile
    if found is None:
        return
    known = {*BUILD_ARGUMENTS, *found.arguments}
    for stage in found.stages:
        known.update(name for item in stage.instructions for name, _ in _declared(item))
        for item in (stage.opening, *stage.instructions):
            for line in item.lines:
                for match in _ESCAPED.finditer(line.text):
                    if match[1] in known and not is_escaped(line.text, match.start()):
                        message = f"{match[0]} is not replaced: a backslash stands before it"
                        yield Problem(_PATH, message, "remove the backslash", line=line.number)


@rule("DKF102", facts=True, severity=Severity.WARNING, needs=ARGUMENTS)
def argument_that_nobody_reads(review: Review) -> Iterator[Problem]:
    """A build argument that no ARG of the Dockerfile declares: the build goes on without it, in silence.

    Fix: add `ARG NAME` to the stage that uses it, or remove the argument.
    Source: Dockerfile reference of Docker, ARG.
    """
    undeclared = dict(container_arguments(review.module))
    found: dict[str, set[str] | None] = {}
    own: dict[FieldPath, str] = {}
    for build in builds(review.module):
        if build.config_map not in found:
            there = found[build.config_map] = _read_by(review, build)
            for name in undeclared.copy() if there is None else there:
                undeclared.pop(name, None)
        known = found[build.config_map]
        own |= {path: name for name, path in build.own.items() if known is not None and name not in known}
    known_names = {name for names in found.values() for name in names or ()} - {*BUILD_ARGUMENTS}
    for path, name in (*((path, name) for name, path in undeclared.items() if found), *own.items()):
        if name not in BUILD_ARGUMENTS and not _PREDEFINED.fullmatch(name):
            message = f"no ARG of the Dockerfile declares {name}: its value changes nothing"
            yield Problem((*path, "name"), message, _declare(name, known_names))


def _declare(name: str, known: Iterable[str]) -> str:
    """The fix for an argument that no ARG declares: the name that is nearly the same, if there is one."""
    if close := get_close_matches(name, known, n=1, cutoff=_NEAR):
        return f"the Dockerfile has ARG {close[0]}: give both one name"
    return f"add ARG {name} to the stage that uses it, or remove it"


def _read_by(review: Review, build: Build) -> set[str] | None:
    """The names that the Dockerfile of a build declares; None where it is not known."""
    found = review.known.find("ConfigMap", review.module.metadata.text("namespace"), build.config_map)
    dockerfile = dockerfile_of(as_map(found)) if build.config_map else None
    return None if dockerfile is None else _arguments_of(dockerfile)


def _arguments_of(dockerfile: Dockerfile) -> set[str]:
    found = set(dockerfile.arguments)
    for stage in dockerfile.stages:
        found.update(name for item in stage.instructions if item.keyword == "ARG" for name, _ in declared(item))
    return found
