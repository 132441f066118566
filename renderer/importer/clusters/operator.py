"""The Subscription of KMM's operator, its OperatorGroup and its configuration → `spec.kmm` of the Cluster.

Source: operator-framework/api, pkg/operators (Subscription v1alpha1, OperatorGroup v1).
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.controllers import HUB_PACKAGE, OLM_GROUP, PACKAGE
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import parse
from kmodgate.policy.kmm.operator_config import CONFIG_MAPS, KEY, OLD_KEY
from kmodgate.renderer.compile.operator_install.operator import GLOBAL_NAMESPACES
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.clusters.cluster_draft import Settings
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

_FIELDS = ("channel", "source", "sourceNamespace")
_KNOWN = {*_FIELDS, "name", "startingCSV", "installPlanApproval", "config"}
_SPOKE = {"name": "KMM_MANAGED", "value": "1"}
_NAMESPACES = {PACKAGE: "openshift-kmm", HUB_PACKAGE: "openshift-kmm-hub"}
_FIX = "give it to the cluster in another way, or do without it"


def add_operator(objects: Objects, settings: Settings) -> None:
    """Add how the cluster's KMM is installed and configured."""
    found = [item for item in objects.values() if _package(item)]
    found.sort(key=lambda item: _package(item) != HUB_PACKAGE)  # the hub's namespace is the one that the spec names
    for index, item in enumerate(found):
        if index:
            message = f"not imported: the {found[0].identity} says how KMM is installed"
            fix = "nothing where render adds the second operator of a hub; else remove one of the two"
            settings.lost.append(item.lost("IMP001", ("metadata", "name"), message, fix))
        elif version := _version(item):
            _add_subscription(item, version, objects, settings)
        else:
            message = "not imported: it says no version, neither startingCSV nor status.installedCSV"
            fix = "give a dump with the status: kubectl get subscriptions.operators.coreos.com -A -o yaml"
            settings.lost.append(item.lost("IMP001", ("spec",), message, fix))
    _add_configuration(objects, settings)


def _package(found: Found) -> str:
    is_subscription = (found.identity.group, found.identity.kind) == (OLM_GROUP, "Subscription")
    name = str(map_of(found.value.get("spec")).get("name")) if is_subscription else ""
    return name if name in (PACKAGE, HUB_PACKAGE) else ""


def _version(found: Found) -> str:
    """The ClusterServiceVersion that is installed, or else the one that is to be."""
    status, spec = map_of(found.value.get("status")), map_of(found.value.get("spec"))
    return str(status.get("installedCSV") or spec.get("startingCSV") or "")


def _add_subscription(found: Found, version: str, objects: Objects, settings: Settings) -> None:
    spec, package, namespace = map_of(found.value["spec"]), _package(found), found.identity.namespace
    install: JsonMap = {key: spec[key] for key in _FIELDS if key in spec} | {"csv": version, "approve": "byHand"}
    if (image := _approver(package, objects)) and settings.put(found, ("metadata",), "tools", {"kubectl": image}):
        install["approve"] = "job"
    tolerations = items_of(map_of(spec.get("config")).get("tolerations"))
    if tolerations:
        install["tolerations"] = tolerations
    is_rendered = MANAGED_BY.items() <= found.metadata("labels").items()
    is_said = not (is_rendered and namespace == _NAMESPACES[package])  # render needs no word for the flavour's own
    kmm: JsonMap = {**({"namespace": namespace} if is_said else {}), "install": install}
    if "redhat" in str(spec.get("source")) or namespace == _NAMESPACES[package]:
        kmm["flavour"] = "redhat"
    elif spec.get("source") in ("community-operators", "operatorhubio-catalog"):
        kmm["flavour"] = "upstream"
    if not settings.put(found, ("spec",), "kmm", kmm):
        return
    if spec.get("sourceNamespace") == "openshift-marketplace" or kmm.get("flavour") == "redhat":
        settings.spec["platform"] = "openshift"
    if package == HUB_PACKAGE:
        settings.spec["acm"] = {"role": "hub"}
    settings.take(found)
    settings.lost += (found.lost("IMP004", path, *text) for path, text in _losses(found, package))
    _check_groups(objects, found, package, settings)


def _losses(found: Found, package: str) -> Iterator[tuple[FieldPath, tuple[str, str]]]:
    """What of a Subscription no spec says, each with its path, what happens and what to do."""
    spec = map_of(found.value["spec"])
    if found.identity.name != package:
        text = f"not carried over: render calls it {package}, and OLM takes no second Subscription of a package"
        fix = "delete this one before the sync, with an override (REF304); its ClusterServiceVersion stays"
        yield ("metadata", "name"), (text, fix)
    if spec.get("installPlanApproval") != "Manual":
        text = "not carried over: render pins the version, and nothing is upgraded without approval"
        yield ("spec", "installPlanApproval"), (text, "upgrade by another csv in the spec")
    for key in spec.keys() - _KNOWN:
        yield ("spec", key), ("not carried over: no spec can say it", _FIX)
    config = map_of(spec.get("config"))
    for key in config.keys() - {"tolerations", "env"}:
        yield ("spec", "config", key), ("not carried over: no spec can say it", _FIX)
    for index, item in enumerate(items_of(config.get("env"))):
        if item == _SPOKE:
            text, fix = "not carried over: it makes the cluster a spoke", "write acm: {role: spoke, hub: NAME}"
        else:
            text, fix = "not carried over: no spec can say it", _FIX
        yield ("spec", "config", "env", index), (text, fix)


def _approver(package: str, objects: Objects) -> str:
    """The image of kmodgate's own Job that approves, in a rendered tree."""
    for found in objects.values():
        if found.identity.kind == "Job" and found.identity.name == f"kmodgate-approve-{package}":
            pod = map_of(map_of(map_of(found.value.get("spec")).get("template")).get("spec"))
            return str(next((map_of(item).get("image") for item in items_of(pod.get("containers"))), ""))
    return ""


def _check_groups(objects: Objects, subscription: Found, package: str, settings: Settings) -> None:
    """Take the OperatorGroup of the namespace, and list what of it render does not write."""
    namespace = subscription.identity.namespace
    for found in list(objects.values()):
        identity = found.identity
        if (identity.group, identity.kind, identity.namespace) != (OLM_GROUP, "OperatorGroup", namespace):
            continue
        settings.take(found)
        if identity.name != package and namespace not in GLOBAL_NAMESPACES:
            message = f"not carried over: render calls it {package}, and two in one namespace stop its operators"
            fix = "delete this one in the sync that makes the other"
            settings.lost.append(found.lost("IMP004", ("metadata", "name"), message, fix))
        spec = map_of(found.value.get("spec"))
        for key in spec.keys() - {"upgradeStrategy"}:
            message = "not carried over: KMM installs for all namespaces only, and render names none"
            settings.lost.append(found.lost("IMP004", ("spec", key), message, "nothing, if it lists all namespaces"))


def _add_configuration(objects: Objects, settings: Settings) -> None:
    namespace = map_of(settings.spec.get("kmm")).get("namespace")
    for found in list(objects.values()):
        identity = found.identity
        is_meant = identity.kind == "ConfigMap" and identity.name in CONFIG_MAPS
        if not is_meant or namespace not in (None, identity.namespace):
            continue
        data = map_of(found.value.get("data"))
        key = next((name for name in (KEY, OLD_KEY) if name in data), "")
        documents, problems = parse(str(data.get(key, "")), found.source.file)
        config = documents[0].value if len(documents) == 1 and not problems else None
        if not isinstance(config, dict):
            message = "not imported: KMM reads no settings in it"
            settings.lost.append(found.lost("IMP001", ("data",), message, f"write them under {KEY}, as YAML"))
            continue
        kmm: JsonMap = {"namespace": identity.namespace, **map_of(settings.spec.get("kmm")), "config": config}
        if settings.put(found, ("data", key), "kmm", kmm):
            settings.take(found)
