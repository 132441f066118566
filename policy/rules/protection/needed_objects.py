"""Objects that Modules and nodes still need, kept from being deleted, emptied, or taken out of their hands."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence

from kmodgate.policy.cluster.controllers import COLLECTORS
from kmodgate.policy.cluster.dependents import (
    ACCESS,
    DEPENDENTS,
    ROLE_BINDING,
    Named,
    needs,
    needs_of_pods,
    needs_to_unload,
    reads,
    reads_in_pods,
    reads_to_unload,
)
from kmodgate.policy.cluster.facts import Facts, Listing, NodeEntry, Object, Unknown, as_map, metadata_of, with_answers
from kmodgate.policy.cluster.openshift_scc import is_openshift, may_run_privileged
from kmodgate.policy.cluster.referenced_objects import DATA
from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.kmm.misnamed_kinds import KMM_GROUP
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.protection.guarding import (
    NAME,
    carrier,
    hub_modules,
    is_by_controller,
    judged,
    judged_with_hub,
    module_name,
    namespace_name,
    needed,
    override,
    some,
    titled,
)
from kmodgate.policy.views.module import ModuleView

_WITH_DATA = ("Secret", "ConfigMap")
_DOCKERFILE = "dockerfile"


@rule("REF204", kinds=DEPENDENTS, operations=("DELETE",), facts=True, guards=True)
def still_needed(review: Review) -> Iterator[Problem]:
    """What a Module still needs to be unloaded, or built again, is deleted, also while the Module is on its way out.

    The unloading pod takes its ServiceAccount and pull secret from what the node holds; builds for the next kernel
    take Secrets and the ConfigMap of the Dockerfile from the Module, those of a hub from its ManagedClusterModules, in
    the namespace of the hub's operator. Until a Module is deleted, so do its plugins count, which do not start without
    the Secrets and ConfigMaps of their volumes and variables. The garbage collector is refused as anybody else,
    which deletes what has lost its owner, or was given one that is not there: it may go on once the namespace ends, or
    while the Module that owns the object is being deleted. A RoleBinding or Role counts where it alone lets an account
    of the Module use an SCC of OpenShift for privileged pods. The DaemonSets of drivers count as Modules do, until they
    are deleted.

    Fix: remove the Module first, and wait until it is gone. Where the garbage collector is refused, take the owner off
    the object.
    Source: internal/pod and internal/nmc of Kernel Module Management; pkg/controller/garbagecollector of Kubernetes.
    """
    if _may_delete(review) or override(review):
        return
    if review.kind in ACCESS:
        yield from _access_lost(review, None, NAME)
        return
    item = _named(review)
    yield from needed(review, lambda other: other == item, NAME, _owners(review))


def _may_delete(review: Review) -> bool:
    """Whether who asks only ends what ends anyway: KMM, or a controller of a namespace that is on its way out."""
    if review.user in COLLECTORS:
        return "deletionTimestamp" in metadata_of(carrier(review))
    return is_by_controller(review)


def _owners(review: Review) -> list[object]:
    """The `uid` of each Module that owns the object, where the garbage collector asks."""
    owners = metadata_of(review.object).get("ownerReferences")
    if review.user not in COLLECTORS or not isinstance(owners, list):
        return []
    found = map(as_map, owners)
    return [
        item.get("uid")
        for item in found
        if item.get("kind") == "Module" and str(item.get("apiVersion", "")).startswith(f"{KMM_GROUP}/")
    ]


@rule("REF208", kinds=ACCESS, operations=("UPDATE",), facts=True, guards=True)
def access_dropped(review: Review) -> Iterator[Problem]:
    """A RoleBinding or Role lets no account of a Module use an SCC of OpenShift any more, and nothing else does.

    The pods that load, unload and serve a driver are privileged, and are not made without one.

    Fix: remove the Module first, and wait until it is gone; or bind the right to the account by another RoleBinding.
    Source: internal/pod of Kernel Module Management; OpenShift, Managing security context constraints.
    """
    if changes_access(review) and not is_by_controller(review) and not override(review):
        path: FieldPath = ("subjects",) if review.kind == ROLE_BINDING else ("rules",)
        yield from _access_lost(review, review.object, path)


def changes_access(review: Review) -> bool:
    """Whether a RoleBinding or Role is for others, or for something else, than before."""
    before = as_map(review.old)
    return review.kind in ACCESS and any(before.get(key) != review.object.get(key) for key in ("subjects", "rules"))


def _access_lost(review: Review, after: Object | None, path: FieldPath) -> Iterator[Problem]:
    """Who needs an account that may use no SCC for privileged containers after the change, and may before it."""
    namespace = namespace_name(review)
    if review.cluster.platform != "openshift" and not is_openshift(review.known, metadata_of(carrier(review))):
        return
    old, new = (_with(review, item) for item in (review.old or review.object, after))

    def losing(
        modules: Sequence[Object], entries: Sequence[NodeEntry], daemon_sets: Sequence[Object]
    ) -> Iterator[Problem]:
        users = [(f"Module {module_name(item)}", needs(ModuleView(item))) for item in modules]
        users += [(f"node {entry.node}", needs_to_unload(entry)) for entry in entries]
        users += [(f"DaemonSet {module_name(item)}", needs_of_pods(item)) for item in daemon_sets]
        accounts = {name for _, items in users for kind, name in items if kind == "ServiceAccount"}
        lost = {
            ("ServiceAccount", name)
            for name in accounts
            if may_run_privileged(old, namespace, name) is True and may_run_privileged(new, namespace, name) is not True
        }
        if names := sorted({who for who, items in users if items & lost}):
            fix = "remove the driver first, and wait for it, or bind the right by another RoleBinding"
            yield Problem(path, f"alone gives the SCC that is still needed by {some(names)}", fix)

    yield from judged(review, namespace, losing)


def _with(review: Review, item: Object | None) -> Facts:
    """The facts with an object in the place of the one that the review is about; None stands for nothing."""
    facts, place = review.known, namespace_name(review)
    own, name = review.kind.rpartition("/")[2], metadata_of(review.object).get("name")

    def find(kind: str, namespace: str, wanted: str) -> Object | Unknown | None:
        return item if (kind, namespace, wanted) == (own, place, name) else facts.find(kind, namespace, wanted)

    def listing(kind: str, namespace: str = "") -> Listing:
        found = facts.listing(kind, namespace)
        if (kind, namespace) != (own, place):
            return found
        others = [other for other in found.objects if metadata_of(other).get("name") != name]
        return Listing([*others, *([] if item is None else [item])], found.is_complete)

    return with_answers(facts, find=find, listing=listing)


@rule("REF212", kinds=_WITH_DATA, operations=("UPDATE",), facts=True, guards=True)
def key_emptied(review: Review) -> Iterator[Problem]:
    """A Secret or ConfigMap loses the key for which a Module or a node still needs it, or its value.

    A pull secret without credentials, a signing key without a key: the object is there, and is of no use. All keys of
    a Secret of a build are files of the build; it is of no use when none is left.

    Fix: put the value back, or have the Module name another object, or remove it first, and wait until it is gone.
    Source: internal/buildsign/resource and internal/pod of Kernel Module Management.
    """
    keys = emptied_keys(review)
    if not keys or is_by_controller(review) or override(review):
        return
    item, left = _named(review), _filled(review.object)

    def reading(
        modules: Sequence[Object], entries: Sequence[NodeEntry], daemon_sets: Sequence[Object]
    ) -> Iterator[Problem]:
        users = {titled(other) for other in modules if reads(ModuleView(other), item, keys, left)}
        users |= {f"node {entry.node}" for entry in entries if reads_to_unload(entry, item, keys)}
        pods = (other for other in daemon_sets if reads_in_pods(other, item, keys, left))
        users |= {f"DaemonSet {module_name(other)}" for other in pods}
        if users:
            message = f"loses {', '.join(sorted(keys))}, which is still needed by {some(sorted(users))}"
            yield Problem(("data",), message, "put the value back, or have the driver name another, or remove it first")

    yield from judged_with_hub(review, reading)


def emptied_keys(review: Review) -> set[str]:
    """The keys that hold something before an update of a Secret or ConfigMap, and nothing after it."""
    if review.kind not in _WITH_DATA or review.operation != "UPDATE":
        return set()
    return _filled(as_map(review.old)) - _filled(review.object)


@rule("REF213", kinds=("ConfigMap",), operations=("UPDATE",), facts=True, severity=Severity.WARNING)
def dockerfile_replaced(review: Review) -> Iterator[Problem]:
    """Another Dockerfile is put into the ConfigMap that a Module builds from.

    What is built from it runs in ring 0 of every node of the Module, and nobody who judges the Module sees it. KMM
    builds nothing again while the image exists, and takes the new text for the next kernel.

    Fix: give the ConfigMap another name and the image another tag, and name both in the Module.
    Source: internal/controllers/mic_reconciler.go of Kernel Module Management.
    """
    before, after = (as_map(as_map(item).get("data")).get(_DOCKERFILE) for item in (review.old, review.object))
    if before == after or _DOCKERFILE in emptied_keys(review):
        return
    item = _named(review)
    modules = review.known.modules_in(namespace_name(review))
    known = [other for found in (modules, hub_modules(review)) if not isinstance(found, Unknown) for other in found]
    building = sorted(titled(other) for other in known if reads(ModuleView(other), item, (_DOCKERFILE,), ("",)))
    if building:
        message = f"{some(building)} builds from it"
        yield Problem(("data", _DOCKERFILE), message, "use another ConfigMap and another tag of the image")


def _named(review: Review) -> Named:
    return review.kind, str(metadata_of(review.object).get("name", ""))


def _filled(item: Object) -> set[str]:
    """The keys of a Secret or ConfigMap that hold something."""
    is_secret = item.get("kind") == "Secret"
    return {
        str(key)
        for place in DATA
        for key, value in as_map(item.get(place)).items()
        if not _is_empty(str(key), value, is_encoded=place == "binaryData" or (is_secret and place == "data"))
    }


def _is_empty(key: str, value: object, *, is_encoded: bool) -> bool:
    """Whether a value is missing, blank, or a pull secret without credentials."""
    if not isinstance(value, str) or _is_blank(value):
        return True
    if not is_encoded:
        return False
    try:
        text = base64.b64decode(value).strip()
        if len(text) <= _LONGEST_BLANK and _is_blank(text.decode(errors="replace")):
            return True
    except (binascii.Error, ValueError):
        return False
    if not text or len(text) > _SHORT or key not in _REGISTRIES:
        return not text
    try:
        return not _has_credentials(_REGISTRIES[key](json.loads(text)))
    except (ValueError, RecursionError):  # which no API server takes for a pull secret
        return False


def _is_blank(text: str) -> bool:
    """Whether a text shows nothing: it is empty, or all of it is space, zero bytes or marks without a width."""
    return not any(character.isprintable() and not character.isspace() for character in text)


def _has_credentials(registries: object) -> bool:
    """Whether a password or token stands beside one of the registries of a pull secret; a user alone is none."""
    entries = map(as_map, as_map(registries).values())
    return any(any(map(entry.get, _SECRETS)) or not _is_nobody(entry.get("auth")) for entry in entries)


_REGISTRIES: dict[str, Callable[[object], object]] = {
    ".dockerconfigjson": lambda value: as_map(value).get("auths"),
    ".dockercfg": lambda value: value,
}
"""Key of a pull secret → the registries in it. Source: pkg/credentialprovider of Kubernetes."""

_SECRETS = ("password", "identitytoken", "registrytoken")


def _is_nobody(auth: object) -> bool:
    """Whether a user and password, as pull secrets hold them, lack one of the two, or cannot be read."""
    text = "".join(auth.split()) if isinstance(auth, str) else ""
    try:
        user, _, password = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).strip().partition(b":")
    except (binascii.Error, ValueError):
        return True
    return not user or not password


_LONGEST_BLANK = 4096
"""Bytes up to which a value is looked through for something to see."""

_SHORT = 1024
"""Bytes in which a pull secret without credentials is looked for; `emptied` asks for as many characters of base64."""
