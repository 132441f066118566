"""What can only be judged with facts of the cluster: what a Module refers to, its nodes, and the Modules beside it.

Without the fact a rule says "not checked" once, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from kmodgate.policy.cluster.facts import UNKNOWN, as_map
from kmodgate.policy.cluster.referenced_objects import DATA
from kmodgate.policy.engine import rule
from kmodgate.policy.findings import NOT_CHECKED, Problem, Severity
from kmodgate.policy.kmm.labels import version_label
from kmodgate.policy.review import Review
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.references import references

_MODULE = ("Module",)
_DOCKER = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")


@rule("REF101", kinds=_MODULE, facts=True, needs="referred.is_incomplete")
def missing_reference(review: Review) -> Iterator[Problem]:
    """A Secret, ConfigMap or ServiceAccount that the Module names does not exist.

    Builds, signing and pods wait for it, and the Module's status says nothing.

    Fix: create it, or correct the name.
    Source: internal/buildsign and internal/pod of Kernel Module Management.
    """
    answers, namespace = review.referred.found, review.module.metadata.text("namespace")
    for part, key, kind, name in references(review.module):
        if answers[kind, name] is UNKNOWN:
            yield part.problem(key, f"{NOT_CHECKED}: which {kind}s exist", _GIVE_FACTS)
        elif answers[kind, name] is None:
            yield part.problem(key, f"there is no {kind} {namespace}/{name}", "create it, or correct the name")


@rule("REF102", kinds=_MODULE, facts=True, needs="referred.odd_dockerfiles")
def dockerfile_under_another_key(review: Review) -> Iterator[Problem]:
    """The ConfigMap of a build has no key `dockerfile`. `Dockerfile`, with a capital, is the usual slip.

    Fix: put the text under the key `dockerfile`.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    for build in review.module.builds:
        part = build.map("dockerfileConfigMap")
        if found := review.referred.odd_dockerfiles.get(part.text("name")):
            keys = ", ".join(sorted(_data(found))) or "none"
            message = f"ConfigMap {part.text('name')} has no key dockerfile; its keys: {keys}"
            yield part.problem("name", message, "put the text under the key dockerfile")


@rule("SGN301", kinds=_MODULE, facts=True, needs="referred.are_secrets_odd")
def secret_without_its_key(review: Review) -> Iterator[Problem]:
    """A signing Secret without the key that KMM reads: `key` for the private key, `cert` for the certificate.

    Fix: create it with `kubectl create secret generic NAME --from-file=key=…`, or `--from-file=cert=…`.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    keys, certificates = review.referred.odd_keys, review.referred.odd_certificates
    for field, key, odd in (("keySecret", "key", keys), ("certSecret", "cert", certificates)):
        for sign in review.module.signs:
            part = sign.map(field)
            if part.text("name") in odd:
                message = f"Secret {part.text('name')} has no key {key}"
                yield part.problem("name", message, f"store it under the key {key}")


@rule("REF103", kinds=_MODULE, facts=True, needs="unusual.pull_secret")
def pull_secret_of_another_type(review: Review) -> Iterator[Problem]:
    """The pull secret is not of type kubernetes.io/dockerconfigjson: every pod that mounts it waits for ever.

    Fix: create it with `kubectl create secret docker-registry`.
    Source: internal/pod of Kernel Module Management; core/v1 SecretType of Kubernetes.
    """
    part = review.module.spec.map("imageRepoSecret")
    found = review.known.find("Secret", review.module.metadata.text("namespace"), part.text("name"))
    if isinstance(found, Mapping) and found.get("type", "Opaque") not in _DOCKER:
        message = f"Secret {part.text('name')} is of type {found.get('type', 'Opaque')}"
        yield part.problem("name", message, "create it with kubectl create secret docker-registry")


@rule("REF104", kinds=_MODULE, facts=True, severity=Severity.WARNING, needs="pod_security")
def namespace_not_privileged(review: Review) -> Iterator[Problem]:
    """The namespace does not let privileged pods in: KMM's worker pods are refused, and no status tells.

    Fix: label the namespace `pod-security.kubernetes.io/enforce: privileged`.
    Source: Kubernetes, Pod Security Admission.
    """
    message = f"namespace {review.module.metadata.text('namespace')} enforces the level {review.pod_security}"
    fix = "label it pod-security.kubernetes.io/enforce: privileged"
    yield review.module.metadata.problem("namespace", message, fix)


@rule("SEL201", kinds=_MODULE, facts=True, severity=Severity.WARNING, needs="placement.is_nowhere")
def no_node(review: Review) -> Iterator[Problem]:
    """No node of the cluster has the labels of the selector.

    Fix: correct the selector, or label nodes.
    Source: internal/controllers/module_reconciler.go of Kernel Module Management.
    """
    if review.placement.nodes is None:
        yield review.module.spec.problem("selector", f"{NOT_CHECKED}: the nodes of the cluster", _GIVE_FACTS)
    else:
        yield review.module.spec.problem("selector", "no node has these labels", "correct it, or label nodes")


@rule("SEL202", kinds=_MODULE, facts=True, severity=Severity.WARNING, needs="has_odd_winners")
def kernel_without_mapping(review: Review) -> Iterator[Problem]:
    """A node of the Module runs a kernel that no mapping matches: the driver is missing there.

    Fix: add a mapping for the kernel.
    Source: internal/module/kernelmapper.go of Kernel Module Management.
    """
    for kernel in [kernel for kernel, winner in review.winners.items() if winner is None]:
        nodes = review.placement.kernels[kernel]
        more = f" and {len(nodes) - 1} more" if nodes[1:] else ""
        message = f"no mapping for kernel {kernel} ({nodes[0].name}{more})"
        yield review.module.container.problem("kernelMappings", message, f"add a mapping for {kernel}")


@rule("MAP207", kinds=_MODULE, facts=True, severity=Severity.INFO, needs="has_odd_winners")
def mapping_no_kernel_uses(review: Review) -> Iterator[Problem]:
    """A mapping that wins on no node: all its kernels are gone, or not there yet.

    Fix: remove it once no node can come back to that kernel.
    Source: internal/module/kernelmapper.go of Kernel Module Management.
    """
    used = set(review.winners.values()) - {None}
    if not used or len(used) == len(review.blocks.mappings):
        return
    for mapping in review.module.mappings:
        if mapping.index not in used:
            yield Problem(mapping.part.path, "wins on no node of the cluster", "remove it if no node comes back to it")


@rule("SGN202", kinds=_MODULE, facts=True, severity=Severity.WARNING, needs="placement.selection.secured")
def unsigned_on_secure_boot(review: Review) -> Iterator[Problem]:
    """A Module without `sign` for nodes with Secure Boot, which refuse a module that nobody has signed.

    An image that was signed before it was pushed needs no `sign`; an exception of the policy says so.

    Fix: add sign, or say in an exception that the image is signed already.
    Source: docs/mkdocs/documentation/secure_boot.md of Kernel Module Management.
    """
    secured = review.placement.selection.secured
    if review.module.loader is not None:
        for mapping in review.module.mappings:
            if not mapping.part.optional("sign") and not review.module.container.optional("sign"):
                message = f"not signed, and {secured[0].name} refuses unsigned modules"
                yield mapping.part.problem("sign", message, "add sign, or say that the image is signed already")


@rule("SEL203", kinds=_MODULE, facts=True, severity=Severity.WARNING, needs="unusual.version")
def version_nobody_asks_for(review: Review) -> Iterator[Problem]:
    """A versioned Module, and no node is labelled for any version of it: it is loaded nowhere.

    Fix: label the nodes `kmm.node.kubernetes.io/version-module.<namespace>.<name>=<version>`.
    Source: docs/mkdocs/documentation/ordered_upgrade.md of Kernel Module Management.
    """
    version, nodes = review.module.container.text("version"), review.placement.nodes
    if not version or nodes is None or not all(node.observed for node in nodes):
        return
    key = version_label(review.module.metadata.text("namespace"), review.module.metadata.text("name"))
    if not any(key in node.labels for node in review.placement.selected):
        message = "no node is labelled for it, and so it is loaded nowhere"
        yield review.module.container.problem("version", message, f"label nodes {key}={version}")


@rule("SEL204", kinds=_MODULE, facts=True, severity=Severity.WARNING, needs="has_namesakes")
def two_modules_for_one(review: Review) -> Iterator[Problem]:
    """Two Modules load the same kernel module on the same nodes: when one goes, it takes the other's driver along.

    In the names of kernel modules `-` equals `_`.

    Fix: make the selectors disjoint, or keep one of the two.
    Source: internal/controllers/nmc_reconciler.go of Kernel Module Management.
    """
    mine, loading = review.module.loaded, review.known.neighbours().loading
    others = {_name(other): other for name in mine for other in _others(review, loading(name))}
    rivals = [(name, other) for name, other in sorted(others.items()) if review.placement.meets(other)]
    for title, other in rivals[:1]:  # more of them are no more wrong
        more = f", and {len(rivals) - 1} more Modules do" if len(rivals) > 1 else ""
        message = f"Module {title} loads {', '.join(sorted(mine & other.loaded))} on the same nodes{more}"
        yield review.module.modprobe.problem("moduleName", message, "make the selectors disjoint, or keep one")


@rule("SEL205", kinds=_MODULE, facts=True, severity=Severity.WARNING, needs="unusual.removals")
def removes_anothers_module(review: Review) -> Iterator[Problem]:
    """A Module removes, as a module of the kernel, what another Module loads on the same nodes.

    Fix: load both from one Module, in the right order, or keep them on different nodes.
    Source: internal/worker of Kernel Module Management.
    """
    loading = review.known.neighbours().loading
    for _, names in review.module.to_remove:
        for name, path in {name: path for path, name in names}.items():
            others = _others(review, loading(name.replace("-", "_")))
            if other := next((other for other in others if review.placement.meets(other)), None):
                message = f"{name} is what Module {_name(other)} loads on the same nodes"
                yield Problem(path, message, "load both from one Module, or on different nodes")


@rule("PLG301", kinds=_MODULE, facts=True, needs="unusual.dra")
def device_class_of_another(review: Review) -> Iterator[Problem]:
    """Two Modules of a cluster make a DeviceClass of one name. Each takes it over from the other, again and again.

    A DeviceClass has no namespace; when one of the Modules goes, the class goes with it.

    Fix: name the class after the driver: `gpu.example.com`.
    Source: DRA reconciler of Kernel Module Management, which creates or patches the class by its name.
    """
    making = review.known.neighbours().making
    for item in review.module.device_classes:
        for other in _others(review, making(item.text("name"))):
            message = f"Module {_name(other)} makes the DeviceClass {item.text('name')}, too"
            yield item.problem("name", message, "give each Module a class of its own")


@rule("PLG302", kinds=_MODULE, facts=True, severity=Severity.WARNING, needs="unusual.dra")
def two_dra_drivers_on_a_node(review: Review) -> Iterator[Problem]:
    """Two Modules run DRA drivers on the same nodes, under one name or not: both answer health checks on one port.

    KMM gives every DRA driver the port 51515, in the network of the node; the second pod does not start.

    Fix: make the selectors disjoint.
    Source: DRA reconciler of Kernel Module Management.
    """
    dra = review.module.spec.optional("dra")
    for other in _others(review, review.known.neighbours().dra() if dra else ()):
        if dra is not None and review.placement.meets(other):
            message = f"Module {_name(other)} runs a DRA driver on the same nodes"
            yield Problem(dra.path, message, "make the selectors disjoint")


_MANY = 100

_GIVE_FACTS = "give a dump of the cluster: --facts DIR"


def _data(item: Mapping[str, Any]) -> set[str]:
    return {str(key) for field in DATA for key in as_map(item.get(field))}


def _others(review: Review, modules: Iterable[ModuleView]) -> Iterator[ModuleView]:
    """Those of the Modules that are not the one at hand; of very many the first, which is enough to be told."""
    mine = _name(review.module)
    return (other for other in islice(modules, _MANY) if _name(other) != mine)


def _name(module: ModuleView) -> str:
    return f"{module.metadata.text('namespace')}/{module.metadata.text('name')}"
