"""Applications in a dump of Argo CD's cluster that apply the tree, and that the fleet does not make.

An ApplicationSet with `create-update` never deletes one: what it does not make any more stays and applies on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import Finding, Mode, Severity, title
from kmodgate.renderer.compile.argocd import application_name
from kmodgate.renderer.fleet.fleet import Fleet, names_of
from kmodgate.renderer.fleet.specs import ArgoCd, Cluster

_ID = "GIT007"
_REACHED = re.compile(r"^(?:[a-z+]+://)?(?:[^/@]*@)?")


def stray_applications(fleet: Fleet, dumps: Mapping[str, Dump]) -> Iterator[Finding]:
    """Yield a warning for each Application that applies a part of the tree and that the fleet does not make."""
    for host in fleet.clusters:
        dump = dumps.get(host.name)
        if host.argocd is None or dump is None:
            continue
        for item in dump.objects:
            if str(item.get("apiVersion")).startswith("argoproj.io/") and item.get("kind") == "Application":
                yield from _stray(host, host.argocd, names_of(fleet), item)


def _stray(host: Cluster, argocd: ArgoCd, clusters: list[str], item: Mapping[str, Any]) -> Iterator[Finding]:
    paths = [path for path in _paths(argocd, item) if path]
    if not paths:
        return
    metadata = metadata_of(item)
    name, namespace = metadata.get("name"), metadata.get("namespace")
    made = {application_name(cluster): f"{argocd.path}/{cluster}" for cluster in clusters}
    if namespace == argocd.namespace and made.get(str(name)) in paths:
        return
    place = host.document.position(("spec", "argocd"))
    is_known = any(_overlap(path, folder) for path in paths for folder in made.values())
    why = "which another Application applies, too" if is_known else "and the fleet has no such cluster"
    command = f"kubectl -n {namespace} delete applications.argoproj.io {name}"
    yield Finding(
        _ID,
        f"applies {paths[0]}, {why}: nothing in the fleet makes it",
        f"{command}; it has no finalizer of kmodgate's, look for one first",
        object=title(item),
        field="spec.argocd",
        file=host.document.file,
        line=place[0],
        column=place[1],
        severity=Severity.WARNING,
        mode=Mode.WARN,
        clusters=(host.name,),
    )


def _paths(argocd: ArgoCd, item: Mapping[str, Any]) -> Iterator[str]:
    """The folders of the tree that an Application applies, or one that it is in, with all below."""
    spec = as_map(item.get("spec"))
    sources = spec.get("sources")
    for source in map(as_map, sources if isinstance(sources, list) else [spec.get("source")]):
        path = str(source.get("path", "")).removeprefix("./").strip("/")
        is_ours = _bare(str(source.get("repoURL", ""))) == _bare(argocd.repo_url)
        is_around = as_map(source.get("directory")).get("recurse") is True and _overlap(path, argocd.path)
        if is_ours and (is_around or f"{path}/".startswith(f"{argocd.path}/")):
            yield path or "."


def _overlap(path: str, folder: str) -> bool:
    """Whether one of two folders lies in the other."""
    return path in ("", ".") or f"{path}/".startswith(f"{folder}/") or f"{folder}/".startswith(f"{path}/")


def _bare(url: str) -> str:
    """The address of a repository without what makes no other one of it: how it is reached, and by whom."""
    place = _REACHED.sub("", url).rstrip("/").removesuffix(".git")
    host, _, path = place.replace(":", "/", 1).partition("/") if "://" not in url else place.partition("/")
    return f"{host.lower()}/{path}"
