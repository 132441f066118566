"""LDR: arguments of modprobe that load something else, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.kernel_module_names import name_of_file
from kmodgate.policy.kmm.node_selection import matches
from kmodgate.policy.present import ARGUMENTS, REMOVALS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.dockerfile import KEY
from kmodgate.policy.views.module import ModuleView

_PARAMETER = re.compile(r"[A-Za-z0-9_.-]+(?:=.*)?", re.DOTALL)
_SECOND = re.compile(r"\s[A-Za-z_][A-Za-z0-9_.-]*=")
_QUOTED = re.compile(r'"[^"]*"')
_LONG = {"C": "--config", "S": "--set-version", "d": "--dirname", "a": "--all"}
"""Short options of modprobe that lead elsewhere, and their long names."""

_ELSEWHERE = {"C": "remove it", "a": "remove it, and name further modules in modulesLoadingOrder"}
"""Options that are wrong whatever follows, and what to do about them."""

_TAKE_VALUES = "CSd"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


@rule("LDR101", needs=ARGUMENTS)
def empty_raw_arguments(review: Review) -> Iterator[Problem]:
    """`rawArgs` that is given and empty: KMM then runs modprobe without arguments, which fails.

    Fix: remove rawArgs, or fill both lists.
    Source: internal/worker of Kernel Module Management, which only tests whether rawArgs is there.
    """
    raw = review.module.modprobe.optional("rawArgs")
    if raw is not None and not raw.value.get("load") and not raw.value.get("unload"):
        yield review.module.modprobe.problem("rawArgs", "empty: modprobe would run without arguments", "remove it")


@rule("LDR102", severity=Severity.WARNING, needs=ARGUMENTS)
def raw_arguments_without_directory(review: Review) -> Iterator[Problem]:
    """`rawArgs` without `-d /tmp/<dirName>`: modprobe looks among the node's own modules, not into the image.

    In pods of DaemonSets modprobe runs inside the image, where the folder is `dirName` itself; with `/` or `/usr` the
    image's modules are where modprobe looks.

    Fix: begin the list with `-d` and `/tmp` followed by dirName (DaemonSets: with dirName), or use moduleName.
    Source: internal/worker of Kernel Module Management.
    """
    root = _root_of_modules(review)
    if review.in_image and root in ("", "/usr"):
        return
    for path, arguments in review.module.raw_arguments:
        if arguments and not any(_is_option(argument, "d", "--dirname") for argument in arguments):
            fix = f"begin with: -d, {root}"
            yield Problem(path, "without -d modprobe does not look into the image", fix)


@rule("LDR103", severity=Severity.WARNING, needs=ARGUMENTS)
def unload_that_loads(review: Review) -> Iterator[Problem]:
    """`rawArgs.unload` without `-r`: modprobe loads the module instead of removing it.

    Fix: add `-r`.
    Source: modprobe(8).
    """
    for path, arguments in review.module.raw_arguments:
        if path[-1] == "unload" and arguments and not any(_is_option(item, "r", "--remove") for item in arguments):
            yield Problem(path, "without -r modprobe loads the module", "add -r")


@rule("LDR104", severity=Severity.WARNING, needs=ARGUMENTS)
def escaping_option(review: Review) -> Iterator[Problem]:
    """An option that makes modprobe read other configuration, other directories, or load more than one module.

    `-C` names a configuration whose install lines run as root; `-d` elsewhere and `-S` load modules that nobody has
    checked; `-a` loads everything that follows. The image is below `/tmp` in KMM's worker, and at its own place in pods
    of DaemonSets. `-S` with a kernel that a mapping is for is sound: it is the way to
    load on a kernel whose name ends in `+`. Two arguments in one entry are one argument to modprobe.

    Fix: remove the option; name further modules in `modulesLoadingOrder` instead of `-a`; write each argument as an
    entry of its own.
    Source: modprobe(8), modprobe.d(5).
    """
    module = review.module
    root = _root_of_modules(review)
    for path, items in module.arguments:
        for index, item in enumerate(items):
            place = (*path, index)
            if item.startswith("-") and len(item.split()) > 1:
                words = ", ".join(item.split())
                yield Problem(place, f"{item!r} is one argument to modprobe", f"write an entry for each: {words}")
                continue
            for option, value in _options(item, items[index + 1] if index + 1 < len(items) else ""):
                if option == "d" and value.rstrip("/") != root:
                    place = (*path, index if value in item else index + 1)
                    own = root or "/"
                    yield Problem(place, f"{value or 'nothing'} is not the image's {own}", f"write {own}")
                elif option == "S" and not any(matches(item.part.value, value) for item in module.mappings):
                    message = f"-S {value or 'nothing'} is no kernel of the mappings: its modules are not in the image"
                    name = ", or name the kernel of the mapping without its last +" if not review.in_image else ""
                    yield Problem(place, message, f"remove it{name}")
                elif option in _ELSEWHERE:
                    yield Problem(place, f"{item} leads modprobe elsewhere", _ELSEWHERE[option])


def _root_of_modules(review: Review) -> str:
    """The folder below which modprobe finds `lib/modules` of the image; empty for the root."""
    return f"{'' if review.in_image else '/tmp'}{review.module.dir_name}".rstrip("/")


def _options(item: str, following: str) -> Iterator[tuple[str, str]]:
    """The options of a word that lead elsewhere, with the value of each: `-avC x` is -a, -v and -C with x."""
    if item.startswith("--"):
        name, equals, value = item.partition("=")
        short = next((short for short, long in _LONG.items() if name == long), "")
        if short:
            yield short, value if equals else following
    elif item.startswith("-"):
        for place, letter in enumerate(item[1:], 2):
            if letter in _LONG:
                yield letter, item[place:] or following
            if letter in _TAKE_VALUES:
                return  # the rest of the word is its value


@rule("LDR105", severity=Severity.WARNING)
def odd_parameter(review: Review) -> Iterator[Problem]:
    """A module parameter that is not `key=value`, or several in one entry: modprobe makes one broken parameter of them.

    A value is passed on as a whole, whatever characters it holds; a name alone is a boolean that is set. An entry that
    begins with `-` is an option to modprobe, wherever it stands.

    Fix: write `key=value`, one an entry.
    Source: modprobe(8); libkmod of kmod, which puts a value with spaces between quotes.
    """
    prefixes = tuple(f"{name}." for _, name in review.module.names)
    for path, text in review.module.parameters:
        if prefixes and text.startswith(prefixes):
            fix = f"write {text.partition('.')[2]}"
            yield Problem(path, f"{text!r} is how the kernel's own command line says it", fix)
        elif text.startswith("-"):
            yield Problem(path, f"{text!r} is an option of modprobe", "write key=value, and options in args")
        elif _SECOND.search(_QUOTED.sub("", text)):
            message = f"{text!r} holds several parameters, and modprobe passes on one with all of it as its value"
            yield Problem(path, message, "write each parameter as an entry of its own")
        elif not _PARAMETER.fullmatch(text):
            yield Problem(path, f"{text!r} is not key=value", "write key=value, one an entry")


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
            if not _NAME.fullmatch(name):
                yield Problem(path, f"{name!r} is not the name of a module", "write it as lsmod shows it")
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
        if len(name.replace(",", " ").split()) > 1:
            fix = "write one name, and list in modulesLoadingOrder what is loaded with it"
            yield Problem(path, f"{name!r} is not the name of a module: it holds several", fix)
        elif not _NAME.fullmatch(name):
            yield Problem(path, f"{name!r} is not the name of a module", f"write {_bare(name)}")


def _bare(name: str) -> str:
    """The name of the module that a path or a file leads to."""
    found = name_of_file(name)
    return found if _NAME.fullmatch(found) else "the name that lsmod shows"


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


def _is_option(argument: str, letter: str, long: str) -> bool:
    short = argument.startswith("-") and not argument.startswith("--") and letter in argument
    return short or argument == long or argument.startswith(f"{long}=")
