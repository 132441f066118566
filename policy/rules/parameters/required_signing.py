"""What a DriverPolicy asks for of the modules that are loaded: that each of them is signed (`requireSigning`)."""

from __future__ import annotations

from collections.abc import Iterator, Set
from itertools import islice

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.kernel_module_names import IS_MODULE_NAME
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.parameters.plugin_loading import plugins_that_load
from kmodgate.policy.rules.parameters.signing_scope import is_marked, listed_fingerprints, signing_nodes, unknown_nodes
from kmodgate.policy.views.kernel_mapping import KernelMapping
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.signing.signed_elsewhere import is_entry_of
from kmodgate.policy.views.signing.signed_files import MODULE_ENDING, SignedFiles, SignedNames, modules_root, plain

_HARMLESS = {
    "load": lazy_regex(r"-[binqsv]+|--(?:verbose|quiet|syslog|dry-run|first-time|use-blacklist|ignore-install)"),
    "unload": lazy_regex(
        r"-[binqsvrf]+|--(?:verbose|quiet|syslog|dry-run|first-time|use-blacklist|ignore-(?:install|remove)"
        r"|remove|remove-dependencies|remove-holders|force|wait=[0-9]+)"
    ),
}
"""Options of modprobe with which it loads, or unloads, what is named, and nothing else."""

_UNTOLD = "what it makes modprobe load cannot be told, and the policy asks for signed modules here"

_SHOWN = 20
"""Names of a Module that are told one by one; of each block the others are only counted."""


@rule("SGN201", parameter="signing")
def signing_required(review: Review) -> Iterator[Problem]:
    """A module is loaded that is not signed, where the policy wants all signed (`parameters.requireSigning`).

    This is by the text of the selector, or by the namespace; by the nodes of the cluster it is SGN204. Each name that
    is loaded needs a file to sign, of the mapping or the container, that can be the one which modprobe loads:
    `<dirName>/lib/modules/<kernel>/**/<name>.ko`, also by a glob or with variables of the kernel; `-` and `_` are the
    same in a name. A compressed file does not count: the kernel finds no signature in it. What modprobe is told to do
    by `rawArgs`, or by options that lead it elsewhere, names nothing for sure, for unloading as for loading, and
    neither does an alias like `pci:v00008086d*` in the place of a name. Dependencies and aliases inside the image
    cannot be seen here. Images that were signed before they were pushed count only where
    the policy lists them with the fingerprint of their certificate (`signedElsewhere`, which render writes); images
    that a hub signs count without it where any certificate may sign, if the work agent of the spoke writes the Module.

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
    odd_names = {name: path for path, name in reversed(module.names) if not IS_MODULE_NAME.fullmatch(name)}
    for name, path in islice(odd_names.items(), _SHOWN):
        message = f"{name!r} is not the name of a module: {_UNTOLD}"
        yield Problem(path, message, "write the name that lsmod shows")
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
        module = review.module
        self._review = review
        self._directory = module.dir_name
        self._root = modules_root(module.dir_name)
        names = [name for _, name in reversed(module.names) if IS_MODULE_NAME.fullmatch(name)]  # for others see _untold
        self._names = {plain(name): name for name in names}
        self._common = module.container.optional("sign")
        self._shared = self._files(self._common)
        files = sum([len(file) for _, file in module.files_to_sign])
        self._signed = SignedNames(self._names, sum(map(len, self._names)) + files + len(module.mappings))
        self._by_kernels: dict[tuple[str, ...], Set[str]] = {}
        self._shown = _SHOWN

    def problems(self) -> Iterator[Problem]:
        """Yield what is not signed: first what the container's block leaves out, each name once."""
        alone: dict[tuple[str, ...], None] = {}
        own: list[tuple[Part, Set[str], SignedFiles, Set[str]]] = []
        for mapping in self._review.module.mappings:
            kernels = self._shared.of(mapping)
            if sign := mapping.part.optional("sign"):
                files = self._files(sign)
                more = self._signed.by_all(files.kernels, files.of(mapping))
                own.append((sign, self._by_common(kernels), files, more))
            else:
                alone[kernels] = None
                yield from self._without_block(mapping)
        signed_for_all = [self._by_common(kernels) for kernels in alone]
        if self._signed.search.is_over:
            message = "too many names, mappings and files to sign to tell whether all that is loaded is signed"
            yield self._review.module.container.problem("kernelMappings", message, "name the files in the common sign")
            return
        if self._common is not None and signed_for_all:
            signed = set(signed_for_all[0]).intersection(*signed_for_all[1:])
            yield from self._missing(self._common, signed, set(), self._shared)
        for sign, by_common, files, more in own:
            yield from self._missing(sign, by_common, more, files)

    def _without_block(self, mapping: KernelMapping) -> Iterator[Problem]:
        if self._common is None and not self._is_signed_elsewhere():
            yield mapping.part.problem("sign", *self._why_unsigned())

    def _why_unsigned(self) -> tuple[str, str]:
        """Message and fix for a mapping without `sign`."""
        entry = self._review.signed_elsewhere
        if entry is not None and not entry.fingerprint:
            message = "signed with a certificate that is not known, and the policy asks for it here"
            return message, "name the certificate in the KernelDriver: sign.certificate"
        module = self._review.module
        others = (item for item in self._review.parameters.signed_elsewhere if is_entry_of(item, module, ""))
        if (other := next(others, None)) is not None and entry is None:
            message = f"missing: only {other.writer} may write this Module without it"
            return message, "change the KernelDriver, from which its hub makes the Module"
        return "missing: the policy asks for signed modules here", "add sign"

    def _is_signed_elsewhere(self) -> bool:
        entry, wanted = self._review.signed_elsewhere, listed_fingerprints(self._review)
        if entry is None:
            return False
        return entry.fingerprint in wanted if wanted else bool(entry.fingerprint or entry.modules)

    def _files(self, sign: Part | None) -> SignedFiles:
        return SignedFiles(sign.strings("filesToSign") if sign else (), self._root)

    def _by_common(self, kernels: tuple[str, ...]) -> Set[str]:
        """The names that the container's block signs in some folders of kernels; mappings have few of these."""
        if kernels not in self._by_kernels:
            self._by_kernels[kernels] = self._signed.by_all(self._shared.kernels, kernels)
        return self._by_kernels[kernels]

    def _missing(self, sign: Part, signed: Set[str], more: Set[str], files: SignedFiles) -> Iterator[Problem]:
        """Yield the names that a block leaves out, one by one as long as there are not too many in the Module."""
        count = len(self._names) - len(signed) - len(more - signed)
        shown = min(count, self._shown)
        self._shown -= shown
        left = (name for name in self._names if name not in signed and name not in more)
        for name in islice(left, shown):
            yield self._unsigned(sign, name, files)
        if count > shown:
            rest = f"{count - shown} more" if shown else f"{count}"
            message = f"{rest} of the modules that are loaded are not signed: the policy asks for it here"
            yield sign.problem("filesToSign", message, "sign every name in moduleName and modulesLoadingOrder")

    def _unsigned(self, sign: Part, name: str, files: SignedFiles) -> Problem:
        file = f"{self._names[name]}{MODULE_ENDING}"
        blocks = [*self._shared.kernels.values(), *files.kernels.values()]
        if self._signed.is_compressed(name, blocks):
            message = f"{self._names[name]} is signed only as a compressed file, in which the kernel finds no signature"
            return sign.problem("filesToSign", message, f"sign {file}, and do not compress it before that")
        root = f"{self._directory.rstrip('/')}/lib/modules/${{KERNEL_FULL_VERSION}}"
        message = f"{self._names[name]} is loaded and not signed: the policy asks for it here"
        return sign.problem(
            "filesToSign", message, f"add the path of {file} below {root}, or remove it from what is loaded"
        )
