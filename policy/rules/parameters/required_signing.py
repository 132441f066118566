"""What a DriverPolicy asks for of the modules that are loaded: that each of them is signed (`requireSigning`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.parameters.plugin_loading import plugins_that_load
from kmodgate.policy.rules.parameters.signing_scope import is_marked, listed_fingerprints, signing_nodes, unknown_nodes
from kmodgate.policy.views.module import KernelMapping, ModuleView
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.signed_files import COMPRESSED, NamesOfFiles, SignedFiles, plain, signs

_HARMLESS = {
    "load": re.compile(r"-[binqsv]+|--(?:verbose|quiet|syslog|dry-run|first-time|use-blacklist|ignore-install)"),
    "unload": re.compile(
        r"-[binqsvrf]+|--(?:verbose|quiet|syslog|dry-run|first-time|use-blacklist|ignore-(?:install|remove)"
        r"|remove|remove-dependencies|remove-holders|force|wait=[0-9]+)"
    ),
}
"""Options of modprobe with which it loads, or unloads, what is named, and nothing else."""

_UNTOLD = "what it makes modprobe load cannot be told, and the policy asks for signed modules here"

_MOST = 50_000
"""Names that are looked for in blocks, over all mappings: the largest Modules in use need some hundreds."""


@rule("SGN201", parameter="signing")
def signing_required(review: Review) -> Iterator[Problem]:
    """A module is loaded that is not signed, where the policy wants all signed (`parameters.requireSigning`).

    This is by the text of the selector, or by the namespace; by the nodes of the cluster it is SGN204. Each name that
    is loaded needs a file to sign, of the mapping or the container, that can be the one which modprobe loads:
    `<dirName>/lib/modules/<kernel>/**/<name>.ko`, also by a glob or with variables of the kernel; `-` and `_` are the
    same in a name. A compressed file does not count: the kernel finds no signature in it. What modprobe is told to do
    by `rawArgs`, or by options that lead it elsewhere, names nothing for sure, for unloading as for loading.
    Dependencies inside the image cannot be seen here. Images that were signed before they were pushed count only where
    the policy lists them with the fingerprint of their certificate (`signedElsewhere`, which render writes).

    Fix: add `sign` with the key, the certificate and all files that are loaded, or `prebuilt` with a certificate.
    Source: the DriverPolicy of the cluster; internal/module/helper.go and internal/worker of Kernel Module Management.
    """
    if is_marked(review):
        yield from _unsigned(review)


@rule("SGN204", kinds=("Module",), facts=True, guards=True, parameter="signing_selectors")
def signing_required_by_nodes(review: Review) -> Iterator[Problem]:
    """A module that is not signed is loaded on a node where the policy wants all signed (`requireSigning`).

    A plugin's container that loads modules itself is judged as by SGN205. A node is known by its own labels here,
    whatever label the Module selects it by. At admission a Module that is not
    signed is refused also where the nodes are not known. A node that is given such a label later is found by a check of
    the cluster.

    Fix: add `sign` with the key, the certificate and all files that are loaded, or select other nodes.
    Source: the DriverPolicy of the cluster.
    """
    if review.is_upkeep or is_marked(review):
        return
    problems = [*_unsigned(review), *plugins_that_load(review)]
    if review.placement.nodes is None:
        if any(problem.severity is not Severity.WARNING for problem in problems):
            yield unknown_nodes(review, "whether it selects a node whose modules must be signed")
    elif problems and (names := signing_nodes(review)):
        where = f"on node {min(names)}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        for problem in problems:
            yield problem._replace(message=f"{problem.message} ({where})")


def _unsigned(review: Review) -> Iterator[Problem]:
    """What is loaded without being signed, as far as Module and policy tell; without a mapping nothing is loaded."""
    module = review.module
    if module.loader is not None and module.mappings:
        yield from _untold(module)
        yield from _Loaded(review).problems()


def _untold(module: ModuleView) -> Iterator[Problem]:
    """What makes modprobe load something else than what is named."""
    for path, arguments in module.arguments:
        if arguments and "rawArgs" in path:
            yield Problem(path, _UNTOLD, "name what is loaded: moduleName and modulesLoadingOrder")
            continue
        harmless = _HARMLESS[str(path[-1])]
        odd = (index for index, text in enumerate(arguments) if not harmless.fullmatch(text))
        yield from (Problem((*path, index), _UNTOLD, "remove it") for index in odd)
    for path, text in module.parameters:
        if text.startswith("-"):
            yield Problem(path, _UNTOLD, "write key=value, one an entry")


class _Loaded:
    """The modules that a Module loads, and which of them no file to sign can be, mapping by mapping."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self._directory = review.module.dir_name
        self._names = {plain(name): name for _, name in reversed(review.module.names)}
        self._common = review.module.container.optional("sign")
        self._left = _MOST
        self._compressed: set[str] = set()
        self._left_by_files: dict[tuple[NamesOfFiles, ...], list[str]] = {}

    def problems(self) -> Iterator[Problem]:
        """Yield what is not signed: first what the container's block leaves out, each name once."""
        shared = self._signed(self._common)
        unsigned: dict[str, None] = {}
        own: list[tuple[KernelMapping, Part, list[str]]] = []
        for mapping in self._review.module.mappings:
            names = self._left_by(shared.of(mapping))
            if sign := mapping.part.optional("sign"):
                own.append((mapping, sign, names))
            else:
                unsigned |= dict.fromkeys(names)
                yield from self._without_block(mapping)
        if self._common is not None:
            yield from self._missing(self._common, unsigned)
        for mapping, sign, names in own:
            yield from self._missing(sign, self._without(names, self._signed(sign).of(mapping)))
        if self._left < 0:
            message = "too many names, mappings and files to sign to tell whether all that is loaded is signed"
            yield self._review.module.container.problem("kernelMappings", message, "name the files in the common sign")

    def _without_block(self, mapping: KernelMapping) -> Iterator[Problem]:
        if self._common is None and not self._is_signed_elsewhere():
            yield mapping.part.problem("sign", "missing: the policy asks for signed modules here", "add sign")

    def _left_by(self, files: tuple[NamesOfFiles, ...]) -> list[str]:
        """The names that the container's block does not sign in some folders; mappings have few of these."""
        if files not in self._left_by_files:
            self._left_by_files[files] = self._without(list(self._names), files)
        return self._left_by_files[files]

    def _is_signed_elsewhere(self) -> bool:
        entry, wanted = self._review.signed_elsewhere, listed_fingerprints(self._review)
        return entry is not None and bool(entry.fingerprint) and (not wanted or entry.fingerprint in wanted)

    def _signed(self, sign: Part | None) -> SignedFiles:
        return SignedFiles(sign.strings("filesToSign") if sign else (), self._directory)

    def _without(self, names: list[str], files: Sequence[NamesOfFiles]) -> list[str]:
        """Return the names of which none of the files is signed; nothing once there are too many to look for."""
        if not files or not names:
            return names
        self._left -= len(names) * len(files)
        if self._left < 0:
            return []
        left = [name for name in names if not signs(files, name)]
        self._compressed.update(name for name in left if signs(files, name, COMPRESSED))
        return left

    def _missing(self, sign: Part, names: Iterable[str]) -> Iterator[Problem]:
        root = f"{self._directory.rstrip('/')}/lib/modules/${{KERNEL_FULL_VERSION}}"
        for name in names:
            file = f"{self._names[name]}.ko"
            message = f"{self._names[name]} is loaded and not signed: the policy asks for it here"
            fix = f"add the path of {file} below {root}, or remove it from what is loaded"
            if name in self._compressed:
                message = (
                    f"{self._names[name]} is signed only as a compressed file, in which the kernel finds no signature"
                )
                fix = f"sign {file}, and do not compress it before that"
            yield sign.problem("filesToSign", message, fix)
