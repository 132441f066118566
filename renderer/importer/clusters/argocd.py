"""Applications and ApplicationSets → `spec.argocd` of the Cluster that Argo CD runs on.

Only those that kmodgate has rendered say how a tree is applied. Another one that applies an imported Module is listed:
two Applications that apply one object undo each other's work.
Source: docs/operator-manual/application.yaml of argoproj/argo-cd.
"""

from __future__ import annotations

from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.clusters.cluster_draft import Settings
from kmodgate.renderer.importer.objects.reading import MODULE, Found, Objects

_GROUP = "argoproj.io"
_HERE = "https://kubernetes.default.svc"
_USUAL = {"revision": "refs/heads/main", "path": "rendered", "project": "kmodgate"}
_FIX = "take the Module out of that Application without a prune before the new one syncs"


def add_argocd(objects: Objects, settings: Settings) -> None:
    """Add how the tree is applied, from the first Application or ApplicationSet of kmodgate."""
    for found in objects.values():
        if found.identity.group != _GROUP or found.identity.kind not in ("Application", "ApplicationSet", "AppProject"):
            continue
        if found.is_rendered:
            settings.take(found)
        if found.is_rendered and found.identity.kind != "AppProject":
            settings.servers |= _servers(found)
            if "argocd" not in settings.spec:
                _add(found, settings)
        elif not found.is_rendered and _applies_module(found):
            message = "not carried over: it applies a Module that the Application of the specs applies, too"
            settings.lost.append(found.lost("IMP004", ("spec", "source"), message, _FIX))


def _add(found: Found, settings: Settings) -> None:
    spec = map_of(found.value.get("spec"))
    is_set = found.identity.kind == "ApplicationSet"
    application = map_of(map_of(spec.get("template")).get("spec")) if is_set else spec
    source = map_of(application.get("source"))
    folder, slash, _ = str(source.get("path", "")).rpartition("/")
    if not slash or "repoURL" not in source:
        message = "not carried over: its path is no folder of a cluster in a tree"
        place = ("spec", "template", "spec", "source") if is_set else ("spec", "source")
        settings.lost.append(found.lost("IMP004", place, message, "write spec.argocd by hand"))
        return
    values = {"revision": source.get("targetRevision"), "path": folder, "project": application.get("project")}
    argocd: JsonMap = {"repoURL": source["repoURL"]}
    argocd |= {key: value for key, value in values.items() if value and value != _USUAL[key]}
    argocd["namespace"] = found.identity.namespace
    argocd |= {"kind": "ApplicationSet"} if is_set else {}
    if settings.put(found, ("spec",), "argocd", argocd) and found.identity.namespace.startswith("openshift-"):
        settings.spec["platform"] = "openshift"


def _servers(found: Found) -> dict[str, str]:
    """The addresses of the clusters that an Application or ApplicationSet applies the tree to, by their names."""
    spec = map_of(found.value.get("spec"))
    name = found.identity.name.removeprefix("kmodgate-")
    places = [{**map_of(spec.get("destination")), "cluster": name}]
    for generator in map(map_of, items_of(spec.get("generators"))):
        places += map(map_of, items_of(map_of(generator.get("list")).get("elements")))
    pairs = ((place.get("cluster"), place.get("server")) for place in places)
    return {str(name): str(address) for name, address in pairs if address and address != _HERE}


def _applies_module(found: Found) -> bool:
    resources = map_of(found.value.get("status")).get("resources")
    return any((map_of(item).get("group"), map_of(item).get("kind")) == MODULE for item in items_of(resources))
