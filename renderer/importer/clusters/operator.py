"""The Subscription of KMM's operator, or its overlay, OperatorGroup and configuration → `spec.kmm` of the Cluster.

Source: operator-framework/api, pkg/operators (Subscription v1alpha1, OperatorGroup v1).
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.controllers import HUB_PACKAGE, OLM_GROUP, PACKAGE
from kmodgate.policy.config import Platform
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import parse
from kmodgate.policy.kmm.operator_config import CONFIG_MAPS, KEY, OLD_KEY
from kmodgate.renderer.compile.operator_install.operator import GLOBAL_NAMESPACES, namespace_of
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import Flavour, JsonMap
from kmodgate.renderer.importer.clusters.cluster_draft import Settings
from kmodgate.renderer.importer.clusters.kustomized_operator import add_overlay
from kmodgate.renderer.importer.objects.companions import is_openshift
from kmodgate.renderer.importer.objects.reading import Found, Objects

_FIELDS = ("channel", "source", "sourceNamespace")
_KNOWN = {*_FIELDS, "name", "startingCSV", "installPlanApproval", "config"}
_SPOKE = {"name": "KMM_MANAGED", "value": "1"}
_NAMESPACES = {PACKAGE: "openshift-kmm", HUB_PACKAGE: "openshift-kmm-hub"}
_HOOKS = ("kmodgate-approve-", "kmodgate-restart-")
_RENDERED = {
    *((kind, hook + package) for kind in ("Job", "ServiceAccount", "Role", "RoleBinding") for hook in _HOOKS
      for package in _NAMESPACES),
    *(("PrometheusRule", package) for package in _NAMESPACES),
}  # fmt: skip
"""What render writes beside a Subscription, which needs no word of its own in the spec."""
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
    if not found:
        add_overlay(objects, settings)
    _add_configuration(objects, settings)
    _add_alerts(objects, settings)
    for item in list(objects.values()):
        if item.is_rendered and (item.identity.kind, item.identity.name) in _RENDERED:
            settings.take(item)


def _package(found: Found) -> str:
    is_subscription = (found.identity.group, found.identity.kind) == (OLM_GROUP, "Subscription")
    name = str(map_of(found.value.get("spec")).get("name")) if is_subscription else ""
    return name if name in (PACKAGE, HUB_PACKAGE) else ""


def _version(found: Found) -> str:
    """The ClusterServiceVersion that is installed, or else the one that is to be."""
    status, spec = map_of(found.value.get("status")), map_of(found.value.get("spec"))
    return str(status.get("installedCSV") or spec.get("startingCSV") or "")


def _add_subscription(found: Found, version: str, objects: Objects, settings: Settings) -> None:
    spec, package = map_of(found.value["spec"]), _package(found)
    install: JsonMap = {key: spec[key] for key in _FIELDS if key in spec} | {"csv": version, "approve": "byHand"}
    if (image := _image_of(_HOOKS[0] + package, objects)) and settings.put(
        found, ("metadata",), "tools", {"kubectl": image}
    ):
        install["approve"] = "job"
    tolerations = items_of(map_of(spec.get("config")).get("tolerations"))
    if tolerations:
        install["tolerations"] = tolerations
    flavour = _flavour(found, package)
    by_marketplace = spec.get("sourceNamespace") == "openshift-marketplace"
    place = _place(found, package, flavour, openshift=by_marketplace or is_openshift(objects))
    kmm: JsonMap = {**place, "install": install, **({"flavour": flavour} if flavour else {})}
    if not settings.put(found, ("spec",), "kmm", kmm):
        return
    if by_marketplace or flavour == "redhat":
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


def _flavour(found: Found, package: str) -> Flavour | None:
    """Return the flavour that the operator's namespace or catalog has; None where neither tells."""
    source = map_of(found.value.get("spec")).get("source")
    if "redhat" in str(source) or found.identity.namespace == _NAMESPACES[package]:
        return "redhat"
    return "upstream" if source in ("community-operators", "operatorhubio-catalog") else None


def _place(found: Found, package: str, flavour: Flavour | None, *, openshift: bool) -> JsonMap:
    """The namespace of the operator, for which a rendered tree needs no word where it is the usual one."""
    by_olm, is_hub = found.identity.kind == "Subscription", package == HUB_PACKAGE
    platform: Platform = "openshift" if openshift else "kubernetes"
    usual = namespace_of(flavour or "upstream", platform, by_olm=by_olm, is_hub=is_hub)
    is_told = flavour is not None or not openshift  # the Modules decide the flavour on OpenShift
    namespace = found.identity.namespace
    return {} if found.is_rendered and is_told and namespace == usual else {"namespace": namespace}


def _image_of(job: str, objects: Objects) -> str:
    """The image of one of kmodgate's own Jobs, in a rendered tree."""
    for found in objects.values():
        if found.identity.kind == "Job" and found.identity.name == job:
            pod = map_of(map_of(map_of(found.value.get("spec")).get("template")).get("spec"))
            return str(next((map_of(item).get("image") for item in items_of(pod.get("containers"))), ""))
    return ""


def _add_alerts(objects: Objects, settings: Settings) -> None:
    """Say whether a rendered tree has the alerts of the operator, where that is not the default of the platform."""
    install = map_of(map_of(settings.spec.get("kmm")).get("install"))
    if not install or not any(item.is_rendered or item.identity.kind == "Kustomization" for item in settings.taken):
        return
    has_alerts = any((item.identity.kind, item.identity.name) in _RENDERED for item in objects.values()
                     if item.identity.kind == "PrometheusRule")  # fmt: skip
    usual = settings.spec.get("platform") == "openshift" or is_openshift(objects)
    if has_alerts != usual:
        install["alerts"] = has_alerts


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
    said = map_of(settings.spec.get("kmm"))
    for found in list(objects.values()):
        identity = found.identity
        is_meant = identity.kind == "ConfigMap" and identity.name in CONFIG_MAPS
        if not is_meant or said.get("namespace") not in (None, identity.namespace):
            continue
        data = map_of(found.value.get("data"))
        key = next((name for name in (KEY, OLD_KEY) if name in data), "")
        documents, problems = parse(str(data.get(key, "")), found.source.file)
        config = documents[0].value if len(documents) == 1 and not problems else None
        if not isinstance(config, dict):
            message = "not imported: KMM reads no settings in it"
            settings.lost.append(found.lost("IMP001", ("data",), message, f"write them under {KEY}, as YAML"))
            continue
        package = (PACKAGE, HUB_PACKAGE)[CONFIG_MAPS.index(identity.name)]
        kmm = {**(said or _operator_in(found, package, openshift=is_openshift(objects))), "config": config}
        if settings.put(found, ("data", key), "kmm", kmm):
            settings.take(found)
            if image := _image_of(_HOOKS[1] + package, objects):
                settings.put(found, ("metadata",), "tools", {"kubectl": image})


def _operator_in(found: Found, package: str, *, openshift: bool) -> JsonMap:
    """What the namespace of a configuration says of an operator that no other object shows."""
    flavour = _flavour(found, package)
    return {**_place(found, package, flavour, openshift=openshift), **({"flavour": flavour} if flavour else {})}
