"""HUB: ManagedClusterModules that the hub accepts and the spokes refuse."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.controllers import HUB_NAMESPACES
from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.kmm.versions import takes_one_removal
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_HUB = ("ManagedClusterModule",)


@rule("HUB101", kinds=_HUB)
def hub_without_loader(review: Review) -> Iterator[Problem]:
    """A ManagedClusterModule without moduleLoader, with which the hub's controller crashes.

    Fix: give it a moduleLoader, or bring the plugin to the spokes in another way.
    Source: internal/manifestwork of Kernel Module Management.
    """
    if review.module.loader is None:
        fix = "add moduleLoader, or bring the plugin to the spokes by Modules of their own"
        yield review.module.spec.problem("moduleLoader", "missing: the hub's controller crashes without", fix)


@rule("HUB102", kinds=_HUB)
def hub_name_too_long(review: Review) -> Iterator[Problem]:
    """Name and spokeNamespace are longer than 41 characters together: every spoke refuses the Module.

    Fix: shorten one of the two.
    Source: validateModule in internal/webhook/module.go of Kernel Module Management, on the spoke.
    """
    spec = review.object.get("spec")
    space = spec.get("spokeNamespace") if isinstance(spec, dict) else ""
    name = review.module.metadata.text("name")
    length = len(f"{name}{space}") if isinstance(space, str) else 0
    if length > 41:
        message = f"name and spokeNamespace have {length} characters together, and spokes allow 41"
        yield Problem(("metadata", "name"), message, "shorten one of the two")


@rule("HUB103", kinds=_HUB)
def hub_namespace_variable(review: Review) -> Iterator[Problem]:
    """`${MOD_NAMESPACE}` in an image: the hub builds it with its own namespace, the spokes ask for theirs.

    The two are the same where spokeNamespace is the namespace of the hub's operator: `kmm-operator-system` upstream,
    `openshift-kmm-hub` at Red Hat. With one of these for a hub whose KMM is not known, this is only noted.

    Fix: write the name out.
    Source: internal/manifestwork and internal/buildsign of Kernel Module Management; config/default-hub.
    """
    namespace = as_map(review.object.get("spec")).get("spokeNamespace")
    own = HUB_NAMESPACES["redhat" if review.cluster.release.redhat else "upstream"]
    if not namespace or (namespace == own and not review.cluster.is_any):
        return
    severity, message = None, "MOD_NAMESPACE is another one on the hub than on the spokes"
    if review.cluster.is_any and namespace in HUB_NAMESPACES.values():
        whose = "the Red Hat build" if namespace == HUB_NAMESPACES["redhat"] else "upstream"
        severity = Severity.INFO
        message = f"MOD_NAMESPACE is {namespace} on the hub, too, only if its KMM is {whose}, which is not known here"
    for path, image in review.module.images:
        if "MOD_NAMESPACE" in image and "$" in image:
            yield Problem(path, message, "write the name out", severity)


@rule("HUB104", kinds=_HUB)
def hub_single_removal(review: Review) -> Iterator[Problem]:
    """`inTreeModuleToRemove` at the container: the hub makes a list of it in the mappings, which spokes then refuse.

    KMM before 2.1 has no list, and takes it.

    Fix: use inTreeModulesToRemove.
    Source: internal/manifestwork of Kernel Module Management.
    """
    if review.module.container.text("inTreeModuleToRemove") and not takes_one_removal(review.cluster.release):
        fix = "use inTreeModulesToRemove"
        yield review.module.container.problem("inTreeModuleToRemove", "refused by the spokes", fix)


@rule("HUB105", kinds=_HUB, severity=Severity.WARNING)
def hub_every_cluster(review: Review) -> Iterator[Problem]:
    """An empty selector of clusters: the Module goes to every cluster of the hub, the next one included.

    Fix: select clusters by label.
    Source: internal/controllers/hub of Kernel Module Management.
    """
    spec = review.object.get("spec")
    if isinstance(spec, dict) and spec.get("selector") == {}:
        yield Problem(("spec", "selector"), "empty: selects every managed cluster", "select clusters by label")


@rule("HUB106", kinds=_HUB, severity=Severity.WARNING)
def hub_registry_settings(review: Review) -> Iterator[Problem]:
    """`registryTLS` of a mapping does not reach the spokes: the hub makes mappings of a kernel and an image only.

    Fix: write registryTLS at the container, which the spokes get as it stands.
    Source: mappingFromModuleLoaderData in internal/manifestwork/manifestwork.go of Kernel Module Management.
    """
    for mapping in review.module.mappings:
        if mapping.part.value.get("registryTLS"):
            message = "the hub does not carry it over to the spokes"
            yield mapping.part.problem("registryTLS", message, "write registryTLS at the container")
