"""What stands around a Module on its cluster → the fields of a spec that make render write it, or files to attach.

What was not among the objects is left to others: a namespace that nobody gave is not rendered, and neither is a
ServiceAccount in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field, replace

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.deliveries.delivery import is_at_boot
from kmodgate.renderer.deliveries.kmm import content_hashes
from kmodgate.renderer.fleet.json_parts import map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.modules import Driver, with_content_tag
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.manifests.manifest import Identity
from kmodgate.renderer.manifests.service_accounts import DEFAULT, accounts

RBAC = "rbac.authorization.k8s.io"

_ALL_PODS: JsonMap = {"modprobe": {}, "devicePlugin": {}, "dra": {}}
_OPENSHIFT_SCC = "system:openshift:scc:"
_PREDEFINED = ("admin", "cluster-admin", "edit", "view")
_NEVER_ATTACHED = {"Secret", "Module", "Namespace"}


@dataclass(frozen=True, slots=True)
class Surrounded:
    """A driver on one cluster with what belongs to it. `dockerfiles`: name of a ConfigMap → its text."""

    driver: Driver
    attached: list[Found]
    dockerfiles: dict[str, str] = field(repr=False)


def surrounded(driver: Driver, objects: Objects, *, openshift: bool, all_dockerfiles: bool) -> Surrounded:
    """The driver with its namespace, accounts and SCC filled in, the files that it brings, and its Dockerfiles."""
    space = Identity("", "Namespace", "", driver.namespace)
    managed = space in objects and not is_the_systems(driver.namespace)
    spec: JsonMap = {
        "namespace": {"name": driver.namespace} if managed else {"name": driver.namespace, "manage": False}
    }
    spec |= _with_accounts(driver, objects, managed=managed)
    rendered = {account.name for account in accounts(driver.name, spec)
                if account.name not in ("", DEFAULT) and (managed or not account.is_named)}  # fmt: skip
    made = {Identity("", "ServiceAccount", driver.namespace, name) for name in rendered}
    if openshift and rendered:
        scc = _scc(driver.namespace, rendered, objects)
        if not scc and driver.found.has_other_rights:
            scc = "privileged"
        spec |= {} if scc == "privileged" else {"scc": scc}
        made |= {Identity(RBAC, "RoleBinding", driver.namespace, f"{name}-scc-{scc}") for name in rendered}
    dockerfiles = dict(_dockerfiles(driver, objects, every=all_dockerfiles))
    made |= {Identity("", "ConfigMap", driver.namespace, name) for name in dockerfiles}
    if all(content_hashes.config_map_name(driver.name, text) == name for name, text in dockerfiles.items()):
        spec = with_content_tag(spec)
    driver = replace(driver, spec=spec)
    related = [found for found in _related(driver, objects) if found.identity not in made]
    return Surrounded(driver, related, dockerfiles)


def is_the_systems(namespace: str) -> bool:
    """Whether a namespace is the cluster's own: never one to render, whatever it was dumped with."""
    return namespace == "default" or namespace.startswith(("kube-", "openshift-"))


def is_openshift(objects: Objects) -> bool:
    """Whether the objects are of an OpenShift cluster, as far as they tell."""
    own = [found for found in objects.values() if not found.is_carried]
    made_of = (item for found in own for item in found.made_of if item.identity.kind != "ManifestWork")
    return _tell_openshift((*own, *made_of))


def are_spokes_openshift(objects: Objects) -> bool:
    """Whether some spokes of a hub are OpenShift clusters, by what it has in ManifestWorks for them."""
    return _tell_openshift(found for found in objects.values() if found.is_carried)


def _tell_openshift(found: Iterable[Found]) -> bool:
    for item in found:
        group, role = item.identity.group, item.value.get("roleRef")
        if (
            item.identity.namespace.startswith("openshift-")
            or _names_its_operator(item)
            or group.endswith(".openshift.io")
            or (isinstance(role, dict) and str(role.get("name")).startswith(_OPENSHIFT_SCC))
        ):
            return True
        if any("openshift.io/" in key for key in (*item.metadata("labels"), *item.metadata("annotations"))):
            return True
    return False


def _names_its_operator(found: Found) -> bool:
    """Whether an object is the policy of a rendered tree, and names the accounts of Red Hat's KMM."""
    policy = map_of(found.value.get("data")).get("policy.yaml") if found.identity.kind == "ConfigMap" else None
    return "system:serviceaccount:openshift-kmm" in str(policy)


def _with_accounts(driver: Driver, objects: Objects, *, managed: bool) -> JsonMap:
    """The spec with the ServiceAccounts of all pods: none is the empty name, and one that render makes needs none."""
    spec = dict(driver.spec)
    usual = {account.pods: account.name for account in accounts(driver.name, _ALL_PODS)}
    by_daemon_sets = driver.spec.get("delivery") == "daemonset"
    is_separate = bool(map_of(driver.spec.get("daemonset")).get("separate"))
    for account in accounts(driver.name, driver.spec):
        level = map_of(spec[account.pods]) if account.pods else spec
        is_of_the_loader = by_daemon_sets and not (account.pods and is_separate)
        if is_of_the_loader and (not account.is_named or account.name == DEFAULT):
            spec = {key: item for key, item in spec.items() if account.pods or key != "serviceAccountName"}
            continue  # its pods need an account of their own
        level = {**level, "serviceAccountName": account.name if account.is_named else ""}
        known = managed or Identity("", "ServiceAccount", driver.namespace, account.name) in objects
        if account.is_named and account.name == usual[account.pods] and known:
            del level["serviceAccountName"]
        if account.pods:
            spec[account.pods] = level
        else:
            spec = level
    return spec


def _scc(namespace: str, names: set[str], objects: Objects) -> str:
    """The one SCC that bindings as render writes them give to all these accounts; nothing where there is none."""
    found = [set(_sccs_of(name, namespace, objects)) for name in names]
    common = set.intersection(*found)
    return "privileged" if "privileged" in common else min(common, default="")


def _sccs_of(account: str, namespace: str, objects: Objects) -> Iterator[str]:
    prefix = f"{account}-scc-"
    for identity, found in objects.items():
        if (identity.group, identity.kind, identity.namespace) == (RBAC, "RoleBinding", namespace):
            scc = identity.name.removeprefix(prefix)
            role = map_of(found.value.get("roleRef"))
            bound = (role.get("kind"), role.get("name")) == ("ClusterRole", f"{_OPENSHIFT_SCC}{scc}")
            if identity.name.startswith(prefix) and bound and list(_accounts_of(found)) == [(namespace, account)]:
                yield scc


def _dockerfiles(driver: Driver, objects: Objects, *, every: bool) -> Iterator[tuple[str, str]]:
    """Name and text of the ConfigMaps that can be files: those whose name the text decides, or all."""
    for build in builds(driver.spec):
        name = str(build.get("dockerfileConfigMap"))
        found = objects.get(Identity("", "ConfigMap", driver.namespace, name))
        data = map_of(found.value.get("data")) if found is not None else {}
        text = data.get("dockerfile")
        if isinstance(text, str) and len(data) == 1 and _is_file(text):
            named_by_text = content_hashes.config_map_name(driver.name, text) == name
            yield from [(name, text)] if every or named_by_text else []


def builds(spec: JsonMap) -> Iterator[JsonMap]:
    """Every `build` of a spec: its own, and those of its kernel mappings."""
    mappings = spec.get("kernelMappings")
    for level in (spec, *(mappings if isinstance(mappings, list) else ())):
        if isinstance(build := map_of(level).get("build"), dict):
            yield build


def _is_file(text: str) -> bool:
    """Whether a text is the same after it has been a file: render reads line ends as LF, and no empty Dockerfile."""
    odd = "\r" in text or "\0" in text or text.startswith("\ufeff")
    return bool(text.strip()) and not odd and _is_unicode(text)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# -- objects to attach ----------------------------------------------------------------------------


def _related(driver: Driver, objects: Objects) -> Iterator[Found]:
    """The objects that serve this driver alone, Secrets never: they are not for files."""
    names = {account.name or DEFAULT for account in accounts(driver.name, driver.spec)}
    config_maps = set(_config_maps(driver.spec))
    roles = set()
    for found in objects.values():
        if found.identity.kind in ("RoleBinding", "ClusterRoleBinding") and _is_for(found, driver.namespace, names):
            roles.add(_role_of(found))
    for identity, found in objects.items():
        here = identity.namespace == driver.namespace
        if (
            identity.kind in _NEVER_ATTACHED
            or is_at_boot(found.value)
            or found.owner not in ("", "cluster", driver.name)
        ):
            continue
        if (
            found.owner == driver.name
            or (here and identity.kind == "ConfigMap" and identity.name in config_maps)
            or (here and identity.kind == "ServiceAccount" and identity.name in names - {DEFAULT})
            or (identity.kind in ("RoleBinding", "ClusterRoleBinding") and _is_for(found, driver.namespace, names))
            or (identity.kind, identity.namespace, identity.name) in roles
        ):
            yield found


def _is_for(binding: Found, namespace: str, names: set[str]) -> bool:
    """Whether a binding is for these accounts and nobody else."""
    subjects = list(_accounts_of(binding))
    return bool(subjects) and all(place == namespace and name in names for place, name in subjects)


def _accounts_of(binding: Found) -> Iterator[tuple[str, str]]:
    """Namespace and name of the accounts that a binding is for; a subject of another kind has no namespace."""
    subjects = binding.value.get("subjects")
    for subject in subjects if isinstance(subjects, list) else ():
        item = map_of(subject)
        is_account = item.get("kind") == "ServiceAccount"
        yield (str(item.get("namespace", binding.identity.namespace)) if is_account else ""), str(item.get("name"))


def _role_of(binding: Found) -> tuple[str, str, str]:
    role = map_of(binding.value.get("roleRef"))
    kind, name = str(role.get("kind")), str(role.get("name"))
    if name.startswith("system:") or (kind == "ClusterRole" and name in _PREDEFINED):
        return "", "", ""
    return kind, binding.identity.namespace if kind == "Role" else "", name


def _config_maps(value: Json) -> Iterator[str]:
    """The names of the ConfigMaps that a spec refers to: Dockerfiles, volumes and variables of a plugin."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "dockerfileConfigMap" and isinstance(item, str):
                yield item
            elif key in ("configMap", "configMapKeyRef", "configMapRef") and isinstance(item, dict):
                yield str(item.get("name"))
            else:
                yield from _config_maps(item)
    elif isinstance(value, list):
        for item in value:
            yield from _config_maps(item)
