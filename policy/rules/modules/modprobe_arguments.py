"""LDR: arguments of modprobe that load something else, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.formats.kernel_module_names import name_of_file
from kmodgate.policy.kmm.nodes.node_selection import matches
from kmodgate.policy.present import ARGUMENTS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_LONG = {
    "C": ("--config",),
    "S": ("--set-version",),
    "d": ("--dirname",),
    "w": ("--wait",),
    "a": ("--all",),
    "r": ("--remove",),
    "n": ("--dry-run", "--show"),
    "c": ("--showconfig",),
    "D": ("--show-depends",),
    "R": ("--resolve-alias",),
    "V": ("--version",),
    "h": ("--help",),
}
"""Short options of modprobe that rules look at, and their long names."""

_SHORT = {name: short for short, names in _LONG.items() for name in names}
_TAKE_VALUES = "CSdw"
_ONLY_TELL = "ncDRVh"

_ELSEWHERE = {"C": "remove it", "a": "remove it, and name further modules in modulesLoadingOrder"}
"""Options that are wrong whatever follows, and what to do about them."""

_COMMANDS = {"modprobe": [], "insmod": [], "rmmod": ["-r"]}
"""Commands that authors write where modprobe's arguments belong, and the options of modprobe that do the same."""


@rule("LDR101", needs=ARGUMENTS)
def empty_raw_arguments(review: Review) -> Iterator[Problem]:
    """`rawArgs` that is given and empty, or that names no module: KMM runs modprobe with it, which fails.

    Fix: remove rawArgs, or fill both lists; append the name of the module.
    Source: internal/worker of Kernel Module Management, which only tests whether rawArgs is there; modprobe(8).
    """
    raw = review.module.modprobe.optional("rawArgs")
    if raw is not None and not raw.value.get("load") and not raw.value.get("unload"):
        yield review.module.modprobe.problem("rawArgs", "empty: modprobe would run without arguments", "remove it")
    for path, arguments in review.module.raw_arguments:
        if arguments and not any(True for _ in _words(arguments)) and not _has_spaces(arguments):
            yield Problem(path, "names no module, and modprobe fails", "append the name of the module")


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
        if arguments and not _has(arguments, "d") and not _command(arguments) and not _has_spaces(arguments):
            fix = f"begin with: -d, {root}"
            yield Problem(path, "without -d modprobe does not look into the image", fix)


@rule("LDR103", severity=Severity.WARNING, needs=ARGUMENTS)
def unload_that_loads(review: Review) -> Iterator[Problem]:
    """`rawArgs.unload` without `-r`: modprobe loads the module instead of removing it.

    Fix: add `-r`.
    Source: modprobe(8).
    """
    for path, arguments in review.module.raw_arguments:
        is_unload = path[-1] == "unload" and arguments and not _command(arguments) and not _has_spaces(arguments)
        if is_unload and not _has(arguments, "r"):
            yield Problem(path, "without -r modprobe loads the module", "add -r")


@rule("LDR104", severity=Severity.WARNING, needs=ARGUMENTS)
def escaping_option(review: Review) -> Iterator[Problem]:
    """An option that makes modprobe read other configuration, other directories, or load more than one module.

    `-C` names a configuration whose install lines run as root; `-d` elsewhere and `-S` load modules that nobody has
    checked; `-a` loads everything that follows; `-n` and the like load nothing, `-r` removes. The image is below `/tmp`
    in KMM's worker, and at its own place in pods of DaemonSets. `-S` with a kernel that a mapping is for is sound: it
    is the way to load on a kernel whose name ends in `+`. Two arguments in one entry are one argument to modprobe. What
    begins with no `-` is the name of a module to it: a command such as `insmod`, too, and a word in `args.load`, after
    which moduleName is a parameter.

    Fix: remove the option; name further modules in `modulesLoadingOrder` instead of `-a`; write each argument as an
    entry of its own, and parameters in `parameters`.
    Source: modprobe(8), modprobe.d(5); internal/worker of Kernel Module Management.
    """
    root = _root_of_modules(review)
    for path, items in review.module.arguments:
        if command := _command(items):
            yield _no_command(path, items, command, root)
            continue
        for index, item in enumerate(items):
            if item.startswith("-") and len(item.split()) > 1:
                words = ", ".join(item.split())
                place = (*path, index)
                yield Problem(place, f"{item!r} is one argument to modprobe", f"write an entry for each: {words}")
            else:
                yield from _misleading(review, path, items, index, root)
        if path[-2:] == ("args", "load") and (word := next(_words(items), None)) is not None:
            index, text = word
            fix = "write it in parameters" if "=" in text else "remove it, and name it in modulesLoadingOrder"
            yield Problem((*path, index), f"to modprobe {text!r} is the module, and moduleName its parameter", fix)


def _misleading(review: Review, path: FieldPath, items: Sequence[str], index: int, root: str) -> Iterator[Problem]:
    """What is wrong with the options of one word."""
    item, place = items[index], (*path, index)
    for option, value in _options(item, items[index + 1] if index + 1 < len(items) else ""):
        if option == "d" and value.rstrip("/") != root:
            own = root or "/"
            where = (*path, index if value in item else index + 1)
            yield Problem(where, f"{value or 'nothing'} is not the image's {own}", f"write {own}")
        elif option == "S" and not any(matches(mapping.part.value, value) for mapping in review.module.mappings):
            message = f"-S {value or 'nothing'} is no kernel of the mappings: its modules are not in the image"
            name = ", or name the kernel of the mapping without its last +" if not review.in_image else ""
            problem = Problem(place, message, f"remove it{name}")
            is_of_literal = any(value == mapping.literal.rstrip("+") for mapping in review.module.literals)
            yield problem._replace(told_by="MAP101") if is_of_literal else problem
        elif option in _ELSEWHERE:
            yield Problem(place, f"{item} leads modprobe elsewhere", _ELSEWHERE[option])
        elif option in _ONLY_TELL:
            yield Problem(place, f"with {item} modprobe {path[-1]}s nothing", "remove it")
        elif option == "r" and path[-1] == "load":
            yield Problem(place, f"with {item} modprobe removes the module", "remove it")


def _command(arguments: Sequence[str]) -> str:
    """The command that a vector of arguments begins with; empty where it has arguments of modprobe only."""
    name = arguments[0].rpartition("/")[2] if arguments else ""
    return name if name in _COMMANDS else ""


def _no_command(path: FieldPath, items: Sequence[str], command: str, root: str) -> Problem:
    """The problem of a vector that begins with a command, and the vector to write."""
    own = (
        items[1:] if command == "modprobe" else [name_of_file(item) if "=" not in item else item for item in items[1:]]
    )
    directory = [] if _has(own, "d") or not root else ["-d", root]
    vector = ", ".join([*_COMMANDS[command], *directory, *own])
    fix = "remove it" if path[-2] == "args" else f"write [{vector}]"
    message = f"KMM runs modprobe with these arguments, and {items[0]!r} is the name of a module to it"
    return Problem((*path, 0), message, fix)


def _root_of_modules(review: Review) -> str:
    """The folder below which modprobe finds `lib/modules` of the image; empty for the root."""
    return f"{'' if review.in_image else '/tmp'}{review.module.dir_name}".rstrip("/")


def _options(item: str, following: str) -> Iterator[tuple[str, str]]:
    """The options of a word, with the value of each: `-avC x` is -a, -v and -C with x."""
    if item.startswith("--"):
        name, equals, value = item.partition("=")
        if short := _SHORT.get(name):
            yield short, value if equals else following
    elif item.startswith("-"):
        for place, letter in enumerate(item[1:], 2):
            if letter in _LONG:
                yield letter, item[place:] or following
            if letter in _TAKE_VALUES:
                return  # the rest of the word is its value


def _words(arguments: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The arguments that are neither options nor their values, with their indexes."""
    is_value = False
    for index, item in enumerate(arguments):
        if item.startswith("-") and not is_value:
            is_value = any(option in _TAKE_VALUES and not value for option, value in _options(item, ""))
            continue
        if not is_value:
            yield index, item
        is_value = False


def _has(arguments: Sequence[str], option: str) -> bool:
    return any(found == option for item in arguments for found, _ in _options(item, ""))


def _has_spaces(arguments: Sequence[str]) -> bool:
    """Whether an option and what follows it stand in one entry: LDR104 tells of it."""
    return any(item.startswith("-") and len(item.split()) > 1 for item in arguments)
