"""LDR: parameters, names and folders with which modprobe loads something else, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.formats.kernel_module_names import IS_MODULE_NAME, name_of_file
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.present import PARAMETERS, REMOVALS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.builds.dockerfile import KEY
from kmodgate.policy.views.module import ModuleView

_PARAMETER = lazy_regex(r"[A-Za-z0-9_.-]+(?:=.*)?", re.DOTALL)
_SECOND = lazy_regex(r"\s[A-Za-z_][A-Za-z0-9_.-]*=")
_QUOTED = lazy_regex(r'"[^"]*"')
_LINE = lazy_regex(r"options\s+\S+\s+(.*)", re.DOTALL)
_WORD = lazy_regex(r"(?:[^\s\"]|\"[^\"]*\")+")
_PAIR = lazy_regex(r"([A-Za-z_][\w.-]*)\s*[=:]\s*([^\s=:'\"]+)")
"""A parameter with spaces around its sign, or a colon in its place."""


@rule("LDR105", severity=Severity.WARNING, needs=PARAMETERS)
def odd_parameter(review: Review) -> Iterator[Problem]:
    """A module parameter that is not `key=value`, or several in one entry: modprobe makes one broken parameter of them.

    A value is passed on as a whole, whatever characters it holds; a name alone is a boolean that is set. modprobe puts
    double quotes around a value with spaces, one at its end included. To the kernel a single quote is a part of the
    value. An entry that begins with `-` is an option to modprobe, wherever it stands.

    Fix: write `key=value`, one an entry, and double quotes around a value with spaces.
    Source: modprobe(8); libkmod of kmod, which puts a value with spaces between quotes; next_arg in lib/cmdline.c of
    Linux.
    """
    prefixes = tuple(f"{name}." for _, name in review.module.names)
    for path, text in review.module.parameters:
        bare = text.strip()
        if prefixes and text.startswith(prefixes):
            fix = f"write {text.partition('.')[2]}"
            yield Problem(path, f"{text!r} is how the kernel's own command line says it", fix)
        elif text.startswith("-"):
            yield Problem(path, f"{text!r} is an option of modprobe", "write key=value, and options in args")
        elif line := _LINE.fullmatch(bare):
            yield Problem(path, f"{text!r} is a line of modprobe.d", f"write {_entries(line[1])}")
        elif _SECOND.search(_QUOTED.sub("", text)):
            message = f"{text!r} holds several parameters, and modprobe passes on one with all of it as its value"
            yield Problem(path, message, f"write each as an entry of its own: {_entries(text)}")
        elif _PARAMETER.fullmatch(text):
            yield from _odd_value(path, text)
        else:
            pair = _PAIR.fullmatch(bare.strip("\"'"))
            fix = f"write {pair[1]}={pair[2]}" if pair else "write key=value, one an entry"
            yield Problem(path, f"{text!r} is not key=value", fix)


def _odd_value(path: FieldPath, text: str) -> Iterator[Problem]:
    """What is wrong with a parameter of the right form: spaces around its value, or quotes that the kernel keeps."""
    key, _, value = text.partition("=")
    if value[:1] == value[-1:] == "'" and len(value) > 1:
        quoted = f'"{value[1:-1]}"' if " " in value else value[1:-1]
        yield Problem(path, f"the kernel takes the single quotes of {text!r} for a part", f"write {key}={quoted}")
    elif value != value.lstrip(" "):
        fix = f"write {key}={value.strip(' ')}"
        yield Problem(path, f"the value of {text!r} begins with a space, which becomes a part of it", fix)
    elif value != value.rstrip(" "):
        yield Problem(path, f"{text!r} ends in a space, which becomes a part of the value", f"write {text.rstrip()}")


def _entries(text: str) -> str:
    """The parameters of a text, as entries of a list."""
    return ", ".join(match[0] for match in _WORD.finditer(text))


@rule("LDR106", severity=Severity.WARNING, needs=REMOVALS)
def removal_that_does_nothing(review: Review) -> Iterator[Problem]:
    """A module to remove that is written with its path or `.ko`, or that is no name, or stands twice.

    KMM skips a name without a file of that name, and tells it only in the log of the worker.

    Fix: write the name of the module as `lsmod` shows it, dependents first.
    Source: internal/worker of Kernel Module Management.
    """
    for _, names in review.module.to_remove:
        seen: set[str] = set()
        for path, name in names:
            if not IS_MODULE_NAME.fullmatch(name):
                words = name.replace(",", " ").split()
                each = len(words) > 1 and all(map(IS_MODULE_NAME.fullmatch, words))
                fix = f"write an entry for each: {', '.join(words)}" if each else f"write {_bare(name)}"
                yield Problem(path, f"{name!r} is not the name of a module", fix)
            elif name in seen:
                yield Problem(path, f"{name!r} stands twice", "name it once")
            seen.add(name)


@rule("LDR107", severity=Severity.WARNING)
def no_name_of_a_module(review: Review) -> Iterator[Problem]:
    """A module to load that is written with its path or `.ko`, or that is no name: modprobe looks into modules.dep.

    One that begins with `-` is an option to modprobe.

    Fix: write the name only.
    Source: modprobe(8).
    """
    modprobe = review.module.modprobe
    order = modprobe.strings("modulesLoadingOrder")
    is_order_refused = bool(order) and order[0] != modprobe.text("moduleName")
    for path, name in review.module.names:
        if is_order_refused and path[-2] == "modulesLoadingOrder":
            continue  # KMM403 tells of the list
        if len(several := name.replace(",", " ").split()) > 1:
            fix = "write one name, and list in modulesLoadingOrder what is loaded with it"
            if path[-2] == "modulesLoadingOrder":
                fix = f"write an entry for each: {', '.join(several)}"
            yield Problem(path, f"{name!r} is not the name of a module: it holds several", fix)
        elif not IS_MODULE_NAME.fullmatch(name):
            is_told = is_order_refused and order[0].strip() == name.strip()  # KMM403 refuses one that differs from it
            message, fix = f"{name!r} is not the name of a module", f"write {_bare(name)}"
            yield Problem(path, message, fix, told_by="KMM403" if is_told else "")


def _bare(name: str) -> str:
    """The name of the module that a path or a file leads to."""
    found = name_of_file(name.strip())
    return found if IS_MODULE_NAME.fullmatch(found) else "the name that lsmod shows"


@rule("LDR108", facts=True, severity=Severity.WARNING, needs=lambda review: _is_doubled(review.module))
def directory_of_modules_twice(review: Review) -> Iterator[Problem]:
    """`dirName` that ends in `lib/modules`, below which modprobe looks for `lib/modules/<kernel>` once more.

    An error where a file to sign, or the Dockerfile, puts the kernel's folder directly below dirName; nothing where one
    of them shows `<dirName>/lib/modules`, as with `INSTALL_MOD_PATH=<dirName>`.

    Fix: write the folder above: `/opt` for `/opt/lib/modules`.
    Source: internal/worker of Kernel Module Management; modprobe(8), `-d`.
    """
    module = review.module
    if not _is_doubled(module):
        return
    directory = module.dir_name.rstrip("/")
    shown = [text for _, text in module.files_to_sign if text.startswith(f"{directory}/")]
    for name in {build.map("dockerfileConfigMap").text("name") for build in module.builds} - {""}:
        found = as_map(review.known.find("ConfigMap", module.metadata.text("namespace"), name))
        shown += _below(str(as_map(found.get("data")).get(KEY, "")), directory)
    if any(text.startswith((f"{directory}/lib/modules", f"{directory}/usr/lib/modules")) for text in shown):
        return
    severity = Severity.ERROR if shown else Severity.WARNING
    message = f"modprobe looks below {directory}/lib/modules/<kernel>"
    fix = f"write {directory.removesuffix('/lib/modules') or '/'}"
    yield Problem((*module.modprobe.path, "dirName"), message, fix, severity)


def _is_doubled(module: ModuleView) -> bool:
    return module.dir_name.rstrip("/").endswith("/lib/modules")


def _below(dockerfile: str, directory: str) -> Iterator[str]:
    """The paths below a folder that a Dockerfile names."""
    for match in re.finditer(rf"{re.escape(directory)}/[^\s\"';]+", dockerfile):
        yield match[0]
