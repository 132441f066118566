"""Rules about a Module beside the other Modules of its cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.kmm.kinds import CLUSTER_MODULE
from kmodgate.policy.kmm.nodes.kernel_labels import KERNEL_LABEL_ANNOTATION
from kmodgate.policy.present import DRA, REMOVALS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.module import ModuleView

Item = TypeVar("Item")


@rule("SEL204", kinds=CLUSTER_MODULE, facts=True, severity=Severity.WARNING)
def two_modules_for_one(review: Review) -> Iterator[Problem]:
    """Two Modules load the same kernel module on the same nodes: when one goes, it takes the other's driver along.

    In the names of kernel modules `-` equals `_`. Of more than a thousand Modules that load it, the first thousand are
    compared, and that is a finding, too.

    Fix: make the selectors disjoint, or keep one of the two.
    Source: internal/controllers/nmc_reconciler.go of Kernel Module Management.
    """
    mine, loading = review.module.loaded, review.known.neighbours().loading
    found = list(islice((other for name in sorted(mine) for other in loading(name)), _MOST + 1))
    if not found:
        return
    if len(found) > _MOST:
        names = ", ".join(sorted(mine))
        message = f"more than {_MOST} Modules load {names}: the others of them were not compared with this one"
        yield review.module.modprobe.problem("moduleName", message, "load one driver by one Module, or a few")
    near = {_title(other): other for other in _others(review, found[:_MOST]) if review.placement.meets(other)}
    rivals = sorted(near.items())
    for title, other in rivals[:1]:  # more of them are no more wrong
        count = len(rivals) - 1
        more = f", and {count} more {'Modules do' if count > 1 else 'Module does'}" if count else ""
        message = f"{title} loads {', '.join(sorted(mine & other.loaded))} on the same nodes{more}"
        problem = review.module.modprobe.problem("moduleName", message, "make the selectors disjoint, or keep one")
        yield problem._replace(told_by="SEL401")


@rule("SEL205", kinds=CLUSTER_MODULE, facts=True, severity=Severity.WARNING, needs=REMOVALS)
def removes_anothers_module(review: Review) -> Iterator[Problem]:
    """A Module removes, as a module of the kernel, what another Module loads on the same nodes.

    Fix: load both from one Module, in the right order, or keep them on different nodes.
    Source: internal/worker of Kernel Module Management.
    """
    loading = review.known.neighbours().loading
    names = {path: name for _, items in review.module.to_remove for name, path in {n: p for p, n in items}.items()}
    told: set[FieldPath] = set()
    for path, other in _pairs(review, names, lambda path: loading(in_kernel_form(names[path]))):
        if path not in told and review.placement.meets(other):
            told.add(path)
            message = f"{names[path]} is what {_title(other)} loads on the same nodes"
            cause = "SEL204" if in_kernel_form(names[path]) in review.module.loaded else ""  # both load it, too
            yield Problem(path, message, "load both from one Module, or on different nodes", told_by=cause)


@rule("PLG301", kinds=CLUSTER_MODULE, facts=True, needs=DRA)
def device_class_of_another(review: Review) -> Iterator[Problem]:
    """Two Modules of a cluster make a DeviceClass of one name. Each takes it over from the other, again and again.

    A DeviceClass has no namespace; when one of the Modules goes, the class goes with it.

    Fix: name the class after the driver: `gpu.example.com`.
    Source: DRA reconciler of Kernel Module Management, which creates or patches the class by its name.
    """
    making = review.known.neighbours().making
    for item, other in _pairs(review, review.module.device_classes, lambda item: making(item.text("name"))):
        message = f"{_title(other)} makes the DeviceClass {item.text('name')}, too"
        yield item.problem("name", message, "give each Module a class of its own")


@rule("PLG302", kinds=CLUSTER_MODULE, facts=True, severity=Severity.WARNING, needs=DRA)
def two_dra_drivers_on_a_node(review: Review) -> Iterator[Problem]:
    """Two Modules run DRA drivers on the same nodes, under one name or not: both answer health checks on one port.

    KMM gives every DRA driver the port 51515, in the network of the node; the second pod does not start.

    Fix: make the selectors disjoint.
    Source: DRA reconciler of Kernel Module Management.
    """
    dra = review.module.spec.optional("dra")
    for other in _others(review, review.known.neighbours().dra() if dra else ()):
        if dra is not None and review.placement.meets(other):
            message = f"{_title(other)} runs a DRA driver on the same nodes"
            yield Problem(dra.path, message, "make the selectors disjoint")


_MOST = 1000
"""Modules that one is compared with. Reading so many takes a few hundredths of a second, whoever has written them."""


def _others(review: Review, modules: Iterable[ModuleView]) -> Iterator[ModuleView]:
    """Those of the Modules that are not the one at hand; of very many the first."""
    mine = review.module.full_name
    return (other for other in islice(modules, _MOST) if other.full_name != mine)


def _pairs(
    review: Review, items: Iterable[Item], found: Callable[[Item], Iterable[ModuleView]]
) -> Iterator[tuple[Item, ModuleView]]:
    """Each item with the other Modules that are found for it, as many pairs as Modules are compared at most."""
    pairs = ((item, other) for item in items for other in found(item))
    mine = review.module.full_name
    return ((item, other) for item, other in islice(pairs, _MOST) if other.full_name != mine)


def _title(module: ModuleView) -> str:
    """What a Module is called, or the driver whose DaemonSets it stands for."""
    is_of_daemon_sets = module.metadata.map("annotations").text(KERNEL_LABEL_ANNOTATION)
    return f"driver {module.full_name}, by its DaemonSets," if is_of_daemon_sets else f"Module {module.full_name}"
