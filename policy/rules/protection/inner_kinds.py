"""What is KMM's own: its records of what nodes load and what is built, the definitions of its kinds, its operator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kmodgate.policy.cluster.controllers import (
    HUB_PACKAGE,
    OLM,
    PACKAGE,
    fix_for,
    kmm_users,
    namespaces_of,
)
from kmodgate.policy.cluster.facts import NodeEntry, Object, as_map, metadata_of
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.kmm.kinds import GROUPS, INNER_KINDS, NEW_KIND, SERVED, kind_by_shape
from kmodgate.policy.kmm.misnamed_kinds import KMM_GROUPS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.protection.guarding import (
    DEFINITION,
    NAME,
    OF_OLM,
    held,
    is_by_controller,
    judged,
    module_name,
    override,
    some,
    useless_by,
)

_RECORD = "it is KMM's own record"


@rule("REF301", kinds=INNER_KINDS, operations=("CREATE", "UPDATE", "DELETE"), guards=True)
def inner_kind_written(review: Review) -> Iterator[Problem]:
    """Somebody other than KMM writes what KMM keeps for itself.

    That are NodeModulesConfig, ModuleImagesConfig, ModuleBuildSignConfig, and their status. A NodeModulesConfig says
    which image a node loads, whatever Module there is, and a ModuleBuildSignConfig holds text that runs beside the
    signing key. Emptying the former takes away what keeps a namespace until drivers are unloaded. Whoever has the right
    to override the protection is warned only, and so is everybody while it is not known who KMM is: neither the policy
    (`parameters.controllers`) nor a Cluster with `kmm` says it. Once one of them does, the ServiceAccounts of KMM's
    usual installations count as KMM only if they are named too: anybody who may create a namespace like
    `kmm-operator-system` could use one. On OpenShift, where nobody can request a project `openshift-kmm`, those in
    `openshift-*` always count.

    Fix: change the Module, from which KMM makes it. If the user that is refused is KMM, name it under
    `parameters.controllers`, or correct `spec.kmm` of the Cluster.
    Source: api/v1beta1 and internal/controllers of Kernel Module Management.
    """
    if not review.user:  # a file: of a tree it would be applied, of a cluster it is KMM's
        if review.in_tree:
            yield Problem(NAME, f"{_RECORD}, and is not applied by anybody else", "write a Module, and remove this")
        return
    if is_by_controller(review) or not _changes(review):
        return
    fix = fix_for(review.user, "change the Module, from which KMM makes it")
    problem = Problem(NAME, f"{_RECORD}, and {review.user} is not KMM", fix)
    if review.may_override is True:
        message = f"{_RECORD}; {review.user} may override the protection"
        yield problem._replace(message=message, severity=Severity.WARNING)
    elif not review.named_as_kmm:
        fix = "name KMM's user under parameters.controllers of the policy; until then nobody is refused"
        yield problem._replace(fix=fix, severity=Severity.WARNING)
    else:
        yield problem


def _changes(review: Review) -> bool:
    """Whether a request changes more than the record of who manages which field, as a migration of storage does."""
    old = review.old
    if review.operation != "UPDATE" or old is None:
        return True
    if any(old.get(key) != review.object.get(key) for key in old.keys() | review.object.keys() if key != "metadata"):
        return True
    before, after = metadata_of(old), metadata_of(review.object)
    return any(before.get(key) != after.get(key) for key in ("labels", "annotations", "finalizers", "ownerReferences"))


@rule("REF302", kinds=(NEW_KIND,), severity=Severity.WARNING)
def unknown_inner_kind(review: Review) -> Iterator[Problem]:
    """A kind of KMM's group that kmodgate does not know: what it does on the nodes is not looked at.

    Fix: correct the kind, or, where KMM has it by now, update kmodgate. What has the fields of a Module is one.
    Source: api and api-hub of Kernel Module Management.
    """
    group = str(review.object.get("apiVersion", "")).partition("/")[0]
    if group in KMM_GROUPS:
        message = f"{review.object.get('kind')} of {group} is not known, and nothing in it is judged"
        fix = "correct the kind, or, where KMM has it by now, update kmodgate"
        if meant := kind_by_shape(review.object):
            beside = f" and apiVersion: {SERVED[meant][-1]}" if GROUPS[meant] != group else ""
            fix = f"write kind: {meant}{beside}"
        yield Problem(("kind",), message, fix)


@rule("REF303", kinds=(DEFINITION,), operations=("DELETE", "UPDATE"), facts=True, guards=True)
def definition_taken_away(review: Review) -> Iterator[Problem]:
    """The definition of one of KMM's kinds is deleted, or made useless, while Modules exist or nodes hold drivers.

    All objects of the kind go with it, in every namespace. Where they are Modules their drivers are unloaded, or stay
    loaded with nothing left that tells of them. A definition is useless that serves no version which KMM uses, stores
    objects as one that KMM does not have, names its lists otherwise, loses the subresource `status`, or whose schema
    drops or refuses something of an object as people and KMM write it: a field at any depth, a value of usual length.
    One that fills in by a default which image or module is loaded is refused, too. Further versions and schemas that
    take the same pass, as an upgrade of KMM brings them; what the Operator Lifecycle Manager changes always passes.

    Fix: remove the Modules, wait until they are gone, and try again; in an emergency the annotation
    `kmodgate.io/override` on the definition, from one who has the right.
    Source: Kubernetes, Delete a CustomResourceDefinition; docs/mkdocs/documentation/uninstall.md of Kernel Module
    Management.
    """
    name = str(metadata_of(review.object).get("name", ""))
    if not name.endswith(tuple(f".{group}" for group in KMM_GROUPS)):
        return
    lost = useless_by(review)
    if (review.operation == "DELETE" or lost) and not override(review):
        for problem in held(review, "", "remove all Modules, wait until they are gone, and try again"):
            what = "; ".join(text for _, text in lost)
            yield problem._replace(path=lost[0][0], message=f"{what}: {problem.message}") if lost else problem


_COPIED = "olm.copiedFrom"


@rule("REF304", kinds=(*OF_OLM, "Namespace"), operations=("DELETE",), facts=True, guards=True)
def operator_deleted(review: Review) -> Iterator[Problem]:
    """What the Operator Lifecycle Manager installs KMM by is deleted while Modules exist, or nodes hold drivers.

    Without its operator a Module waits for its finalizer for ever, the drivers stay loaded, and KMM's webhook, for
    which nobody answers any more, refuses every change of a Module. The rule is about the ClusterServiceVersion,
    Subscription and OperatorGroup of KMM and about the namespace of its operator; of an InstallPlan it only warns. The
    Operator Lifecycle Manager itself may delete them, as it does in an upgrade.

    Fix: remove the Modules, wait until they are gone, then delete the Subscription and the ClusterServiceVersion; in an
    emergency the annotation `kmodgate.io/override` on the object, from one who has the right.
    Source: docs/mkdocs/documentation/uninstall.md of Kernel Module Management; the finalizers in internal/controllers.
    """
    needs_hub = _package(review)
    if needs_hub is None or review.user in OLM or is_by_controller(review) or override(review):
        return

    def needing(modules: Sequence[Object], entries: Sequence[NodeEntry], _others: object) -> Iterator[Problem]:
        of_hub = [item for item in modules if not metadata_of(item).get("namespace")]
        names = [f"ManagedClusterModule {module_name(item)}" for item in of_hub if needs_hub in (HUB_PACKAGE, "")]
        if needs_hub != HUB_PACKAGE:
            names += [f"Module {module_name(item)}" for item in modules if metadata_of(item).get("namespace")]
            names += sorted({f"{entry.name} on node {entry.node}" for entry in entries})
        if names:
            fix = "remove all Modules, wait until they are gone, and try again"
            problem = Problem(NAME, f"KMM's operator has to unload {some(sorted(names))} first", fix)
            is_harmless = review.kind.endswith("/InstallPlan")
            yield problem._replace(severity=Severity.WARNING) if is_harmless else problem

    yield from judged(review, "", needing)


def _package(review: Review) -> str | None:
    """The package of KMM that an object installs, empty where it may be either of the two; None where it is no KMM."""
    metadata, spec = metadata_of(review.object), as_map(review.object.get("spec"))
    name = str(metadata.get("name", ""))
    named = {"ClusterServiceVersion": [name], "InstallPlan": spec.get("clusterServiceVersionNames")}
    kind = review.kind.rpartition("/")[2]
    if kind == "Subscription":
        return next((package for package in (PACKAGE, HUB_PACKAGE) if spec.get("name") == package), None)
    if kind in named and _COPIED not in as_map(metadata.get("labels")):
        names = named[kind] if isinstance(named[kind], list) else []
        packages = {str(item).partition(".")[0] for item in names or ()} & {PACKAGE, HUB_PACKAGE}
        return min(packages, default=None)
    place = name if kind == "Namespace" else str(metadata.get("namespace", ""))
    is_place = kind in ("Namespace", "OperatorGroup")
    users = kmm_users(review.named_as_kmm, review.cluster.platform) if is_place else ()
    return "" if place in namespaces_of(users) else None
