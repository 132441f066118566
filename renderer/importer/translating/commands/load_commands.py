"""What the commands of containers load and unload → the `modprobe` of a driver.

Sources: modprobe(8), insmod(8) and rmmod(8) of kmod; internal/worker of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.in_tree_modules import NAMES as IN_TREE
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.translating.commands.shell_commands import LOADERS, RUNNING_KERNEL, Command

_WITH_VALUE = {
    "d": "dirname", "S": "set-version", "C": "config", "t": "type", "w": "wait",
}  # fmt: skip
_QUESTIONS = {"n", "dry-run", "show", "R", "resolve-alias", "D", "show-depends", "c", "showconfig", "dump-modversions",
              "show-modversions", "show-exports", "V", "version", "h", "help", "l", "list"}  # fmt: skip
_KEPT = {"f": "--force", "force": "--force", "i": "--ignore-install", "ignore-install": "--ignore-install",
         "force-vermagic": "--force-vermagic", "force-modversion": "--force-modversion",
         "allow-unsupported": "--allow-unsupported", "allow-unsupported-modules": "--allow-unsupported"}  # fmt: skip
_NAME = lazy_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_FILE = lazy_regex(r"(?:.*/)?([A-Za-z0-9_][A-Za-z0-9_-]*)\.ko(?:\.(?:xz|gz|zst))?")
_IN_TREE_LAYOUT = lazy_regex(r"(.*?)/(?:usr/)?lib/modules/")
_SETTING = lazy_regex(r"(?:/host)?/(?:etc/|proc/sys/|sys/(?!module/firmware_class/))")
"""A file that the kernel or modprobe has settings from, where a command writes it."""
_FIRMWARE = "/sys/module/firmware_class/parameters/path"

HARMLESS = frozenset((
    "", ":", "[", "[[", "]]", "break", "case", "cat", "cd", "continue", "date", "depmod", "dmesg", "echo", "exit",
    "export", "false", "find", "for", "grep", "id", "in", "kill", "local", "ls", "lsmod", "modinfo", "pause", "printf",
    "pwd", "read", "return", "set", "shift", "sleep", "tail", "tee", "test", "touch", "trap", "true", "umask", "uname",
    "unset", "wait", "whoami",
))  # fmt: skip
"""Programs whose absence changes nothing on the node."""


@dataclass(slots=True)
class Loading:
    """What the commands of one pod do with kernel modules, in their order.

    `conflicts` are parameters with another value than before: where a script decides, each of its cases is read.
    `directory` is where modprobe looks first, None where no command says it. `removed` are unloaded before the first
    load, `unloaded` at the end, and `files` are given to insmod. `besides` are the other programs that run, `unread`
    words that only the node can tell.
    """

    modules: list[str] = field(default_factory=list)
    parameters: dict[str, list[str]] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    directory: str | None = None
    other_directories: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)
    firmware: str = ""
    files: list[str] = field(default_factory=list)
    on_node: bool = False
    besides: list[str] = field(default_factory=list)
    besides_at_end: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    whole: JsonMap | None = None
    """The `modprobe` itself, where it is known as it stands."""

    @property
    def module(self) -> str:
        """The kernel module that is loaded last, which needs the others."""
        return self.modules[-1] if self.modules else ""

    @property
    def is_raw(self) -> bool:
        """Whether the whole argument vector of modprobe is known, and no name of a module beside it."""
        return self.whole is not None and "rawArgs" in self.whole

    def modprobe(self) -> JsonMap:
        """Return the `modprobe` of a Module that loads the same."""
        if self.whole is not None:
            return self.whole
        parameters = self.parameters.get(self.module, [])
        order: list[Json] = list(reversed(self.modules))
        return {
            "moduleName": self.module,
            **({"dirName": self.directory} if self.directory not in (None, "/opt") else {}),
            **({"parameters": list(parameters)} if parameters else {}),
            **({"args": {"load": list(self.options)}} if self.options else {}),
            **({"modulesLoadingOrder": order} if len(order) > 1 else {}),
            **({"firmwarePath": self.firmware} if self.firmware else {}),
        }

    def lost_parameters(self) -> dict[str, list[str]]:
        """Return the parameters of other modules than the one that a Module has parameters for."""
        return {name: texts for name, texts in self.parameters.items() if name != self.module and texts}


def read_loading(starting: Iterable[Command], ending: Iterable[Command]) -> Loading:
    """Return what the commands of a pod load, and what those at its end unload."""
    result = Loading()
    for command in starting:
        _take(result, command, at_end=command.at_end)
    for command in ending:
        _take(result, command, at_end=True)
    if not result.modules:  # `preStop` alone says what the image loads
        result.modules = list(reversed(_plain(result.unloaded)))
    result.removed = [
        name for name in result.removed if in_kernel_form(name) in IN_TREE or not _is_among(name, result.modules)
    ]  # what is no in-tree module and is loaded again was the driver itself
    return result


def is_module_name(text: str) -> bool:
    """Whether a text can be the name of a kernel module."""
    return _NAME.fullmatch(text) is not None


def _plain(names: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if _NAME.fullmatch(name)]


def _is_among(name: str, names: Iterable[str]) -> bool:
    return in_kernel_form(name) in map(in_kernel_form, names)


def _take(result: Loading, command: Command, *, at_end: bool) -> None:
    program, words = command.program, command.words[1:]
    written = [*command.written, *(words if program == "tee" else ())]
    is_loader = program in LOADERS and (program != "kmod" or words[:1] in (["load"], ["unload"]))
    if is_loader:
        _take_kmod(result, command, at_end=at_end)
    firmware = next((word for word in words if word.startswith("/") and word != _FIRMWARE), "")
    if _FIRMWARE in written and firmware and not at_end:
        result.firmware = firmware
    elif any(map(_SETTING.match, written)) or _FIRMWARE in written or not (is_loader or program in HARMLESS):
        shown = " ".join([*command.words, *(f"> {place}" for place in command.written)])
        (result.besides_at_end if at_end else result.besides).append(shown[:80])


def _take_kmod(result: Loading, command: Command, *, at_end: bool) -> None:
    program, words = command.program, command.words[1:]
    options: dict[str, str] = {}
    names = [word for word in words if not word.startswith("-")]
    if program == "kmod":  # whose first word is what it does
        program, names = ("rmmod" if words[0] == "unload" else program), names[1:]
    if program == "modprobe":
        options, names = _parsed(words)
        if options.keys() & _QUESTIONS:
            return
    if program == "rmmod" or options.keys() & {"r", "remove", "remove-holders"}:
        target = result.unloaded if at_end or result.modules else result.removed
        target += _names(result, [_stem(name) for name in names])
    elif not at_end and not names and program in ("insmod", "modprobe"):
        result.unread.append(" ".join(command.words))  # such as one behind xargs
    elif not at_end:
        _load(result, program, options, names, on_node=command.on_node)


def _load(result: Loading, program: str, options: dict[str, str], names: list[str], *, on_node: bool) -> None:
    every = options.keys() & {"a", "all"}
    modules = names if every else names[:1]
    directory = options.get("dirname")
    if program == "insmod" and modules:
        layout = _IN_TREE_LAYOUT.match(modules[0])
        directory = (layout[1] or "/") if layout else None
        result.files.append(modules[0])
        modules = [_stem(modules[0])]
    loaded = _names(result, modules)
    result.modules += [name for name in loaded if not _is_among(name, result.modules)]
    if loaded and not every:
        _add_parameters(result, result.parameters.setdefault(loaded[0], []), names[1:])
    result.options += [kept for kept in _kept(options) if kept not in result.options]
    if loaded:
        _look_into(result, directory)
        result.on_node |= on_node


def _add_parameters(result: Loading, known: list[str], new: list[str]) -> None:
    """Add the parameters that a module has in one command to those of the commands before."""
    names = {text.partition("=")[0] for text in known}
    for text in new:
        if text not in known:
            (result.conflicts if text.partition("=")[0] in names else known).append(text)


def _look_into(result: Loading, directory: str | None) -> None:
    if result.directory is None:
        result.directory = directory
    elif directory not in (None, result.directory, *result.other_directories):
        result.other_directories.append(str(directory))


def _kept(options: dict[str, str]) -> Iterator[str]:
    """The options of modprobe that a Module gives it, too; the version of the running kernel is the usual one."""
    for key, value in options.items():
        if key in _KEPT:
            yield _KEPT[key]
        elif key in ("config", "set-version") and value != RUNNING_KERNEL:
            yield f"--{key}={value}"


def _names(result: Loading, names: Iterable[str]) -> list[str]:
    """Those that are names of kernel modules; others, such as variables, are not read."""
    found = list(names)
    result.unread += [name for name in found if not _NAME.fullmatch(name)]
    return [name for name in found if _NAME.fullmatch(name)]


def _stem(name: str) -> str:
    """The kernel module of a file: `nic` of /opt/lib/modules/…/nic.ko.xz; a name as it is."""
    match = _FILE.fullmatch(name)
    return match[1] if match else name


def _parsed(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The options of modprobe, long where they take a value, and the other words."""
    options: dict[str, str] = {}
    names: list[str] = []
    rest: Iterator[str] = iter(words)
    for word in rest:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            options[name] = value if equals or name not in _WITH_VALUE.values() else next(rest, "")
        elif word.startswith("-") and len(word) > 1 and not names:
            _short(word[1:], rest, options)
        else:
            names.append(word)
    return options, names


def _short(letters: str, rest: Iterator[str], options: dict[str, str]) -> None:
    """Short options in one word: `-rvd /opt`."""
    for place, letter in enumerate(letters):
        if letter in _WITH_VALUE:
            options[_WITH_VALUE[letter]] = letters[place + 1 :] or next(rest, "")
            return
        options[letter] = ""
