"""What a DriverPolicy asks for of the modules that are loaded: that each of them is signed (`requireSigning`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kmodgate.policy.findings import NOT_CHECKED, Problem
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Part

_SIGNED = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_-]*)\.ko")
"""The base name of a file that is signed for sure. Variables and patterns may stand for anything, and of a compressed
file nobody reads the signature (SGN104)."""

_HARMLESS = re.compile(r"-[binqsv]+|--(?:verbose|quiet|syslog|dry-run|first-time|use-blacklist|ignore-install)")
"""Options of modprobe with which it loads what is named, and nothing else."""

_UNTOLD = "what it makes modprobe load cannot be told, and the policy asks for signed modules here"


@rule("SGN201", parameter="signing")
def signing_required(review: Review) -> Iterator[Problem]:
    """A module is loaded that is not signed, where the policy wants all signed (`parameters.requireSigning`).

    This is by the text of the selector, or by the namespace; by the nodes of the cluster it is SGN204. Each name that
    is loaded must be the base name of a file to sign, of the mapping or the container: `<name>.ko`, without a variable,
    a pattern or a compression. What modprobe is told to do by `rawArgs`, or by options that lead it elsewhere, names
    nothing for sure. What depends on what inside the image, nobody sees here. Images that were signed before they were
    pushed count only where the policy lists them with the fingerprint of their certificate (`signedElsewhere`, which
    render writes).

    Fix: add `sign` with the key, the certificate and all files that are loaded, or `prebuilt` with a certificate.
    Source: the DriverPolicy of the cluster; internal/module/helper.go of Kernel Module Management.
    """
    if _is_marked(review):
        yield from _unsigned(review)


@rule("SGN204", kinds=("Module",), facts=True, guards=True, parameter="signing_selectors")
def signing_required_by_nodes(review: Review) -> Iterator[Problem]:
    """A module that is not signed is loaded on a node where the policy wants all signed (`requireSigning`).

    A node is known by its own labels here, whatever label the Module selects it by. At admission a Module that is not
    signed is refused also where the nodes are not known. A node that is given such a label later is found by a check of
    the cluster.

    Fix: add `sign` with the key, the certificate and all files that are loaded, or select other nodes.
    Source: the DriverPolicy of the cluster.
    """
    if review.is_upkeep or _is_marked(review):
        return
    unsigned = _unsigned(review)
    if (first := next(unsigned, None)) is None:
        return
    if review.placement.nodes is None:
        yield unknown_nodes(review, "whether it selects a node whose modules must be signed")
        return
    names = [
        node.name
        for node in review.placement.selected
        if any(node.labels.items() >= wanted.items() for wanted in review.parameters.signing_selectors)
    ]
    if names:
        where = f"on node {min(names)}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        for problem in (first, *unsigned):
            yield problem._replace(message=f"{problem.message} ({where})")


def unknown_nodes(review: Review, what: str) -> Problem:
    """That something depends on the nodes, which are not known: it refuses where somebody asks."""
    if not review.user:
        message, fix = f"{NOT_CHECKED}: the nodes of the cluster", "give a dump of the cluster: --facts DIR"
    else:
        message = f"{what} is not known: the nodes of the cluster are not known at the moment"
        fix = "wait until the webhook sees the cluster again, and see its log"
    return review.module.spec.problem("selector", message, fix)


def _is_marked(review: Review) -> bool:
    """Whether the Module itself says that it is for such nodes, or is of such a namespace."""
    parameters, module = review.parameters, review.module
    selector = module.spec.map("selector").value
    if any(selector.items() >= wanted.items() for wanted in parameters.signing_selectors):
        return True
    spec = Part(None, (), review.object).map("spec")
    namespace = spec.text("spokeNamespace") if module.is_hub else module.metadata.text("namespace")
    return namespace in parameters.signing_namespaces


def _unsigned(review: Review) -> Iterator[Problem]:
    """What is loaded without being signed, as far as Module and policy tell; without a mapping nothing is loaded."""
    module, entry = review.module, review.signed_elsewhere
    mappings = module.container.maps("kernelMappings")
    if module.loader is None or not mappings:
        return
    yield from _untold(module)
    names = {_plain(name): name for _, name in reversed(module.names)}
    common = module.container.optional("sign")
    unsigned = _left(names, common)
    if common and any("sign" not in mapping.value for mapping in mappings):
        yield from _missing(common, unsigned)
    for mapping in mappings:
        if sign := mapping.optional("sign"):
            yield from _missing(sign, _left(unsigned, sign))
        elif common is None and not (entry and entry.fingerprint):
            yield mapping.problem("sign", "missing: the policy asks for signed modules here", "add sign")


def _untold(module: ModuleView) -> Iterator[Problem]:
    """What makes modprobe load something else than what is named."""
    for path, arguments in module.arguments:
        is_raw = "rawArgs" in path
        if path[-1] != "load" or not arguments:
            continue
        if is_raw:
            yield Problem(path, _UNTOLD, "name what is loaded: moduleName and modulesLoadingOrder")
        else:
            odd = (index for index, text in enumerate(arguments) if not _HARMLESS.fullmatch(text))
            yield from (Problem((*path, index), _UNTOLD, "remove it") for index in odd)
    for path, text in module.parameters:
        if text.startswith("-"):
            yield Problem(path, _UNTOLD, "write key=value, one an entry")


def _plain(name: str) -> str:
    """A name as the kernel writes it; what begins with `-` is an option to modprobe, and the name of nothing."""
    return name if name.startswith("-") else name.replace("-", "_")


def _left(names: dict[str, str], sign: Part | None) -> dict[str, str]:
    """The names, by how the kernel writes them, of which a block signs no file."""
    if not names or sign is None:
        return names
    files = (file.rpartition("/")[2] for file in sign.strings("filesToSign"))
    signed = {_plain(found[1]) for file in files if (found := _SIGNED.fullmatch(file))}
    return {plain: name for plain, name in names.items() if plain not in signed}


def _missing(sign: Part, names: dict[str, str]) -> Iterable[Problem]:
    for name in names.values():
        fix = f"add the path of {name}.ko, or remove it from what is loaded"
        yield sign.problem("filesToSign", f"{name} is loaded and not signed: the policy asks for it here", fix)
