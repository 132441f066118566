"""Applications in a dump of Argo CD's cluster that apply the tree, and that the fleet does not make.

An ApplicationSet with `create-update` never deletes one: what it does not make any more stays and applies on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import Any
from urllib.parse import urlsplit

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import Finding, Mode, Severity, title
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.compile.argocd import application_name
from kmodgate.renderer.fleet.fleet import Fleet, names_of
from kmodgate.renderer.fleet.specs import ArgoCd, Cluster

_ID = "GIT007"
_USUAL_PORTS = {"https": 443, "http": 80, "ssh": 22}
_UNREAD_GLOB = lazy_regex(r"\\|\{[^{}]*+(?:\{|$)")


def stray_applications(fleet: Fleet, tree: Collection[str], dumps: Mapping[str, Dump]) -> Iterator[Finding]:
    """Yield a warning for each Application that applies a part of the tree and that the fleet does not make.

    `tree` has the paths of the files in the tree.
    """
    for host in fleet.clusters:
        dump = dumps.get(host.name)
        if host.argocd is None or dump is None:
            continue
        files = [f"{host.argocd.path}/{path}" for path in tree]
        for item in dump.objects:
            if str(item.get("apiVersion")).startswith("argoproj.io/") and item.get("kind") == "Application":
                yield from _stray(host, host.argocd, names_of(fleet), files, item)


def _stray(
    host: Cluster, argocd: ArgoCd, clusters: list[str], files: Collection[str], item: Mapping[str, Any]
) -> Iterator[Finding]:
    sources = {path: source for path, source in _sources(argocd, item) if _applies(source, path, argocd, files)}
    metadata = metadata_of(item)
    name, namespace = metadata.get("name"), metadata.get("namespace")
    made = {application_name(cluster): f"{argocd.path}/{cluster}" for cluster in clusters}
    if not sources or (namespace == argocd.namespace and made.get(str(name)) in sources):
        return
    path, source = next(iter(sources.items()))
    is_known = any(_is_in(folder, path) or _is_in(path, folder) for folder in made.values())
    why = "which another Application applies, too" if is_known else "and the fleet has no such cluster"
    what = path or "the whole repository"
    fix = f"kubectl -n {namespace} delete applications.argoproj.io {name}"
    fix += "; it has no finalizer of kmodgate's, look for one first"
    if path != argocd.path and _is_in(argocd.path, path):
        what += f", with {argocd.path} in it"
        fix = f"keep the tree out of it, directory.exclude: '{_without_tree(source, path, argocd)}'"
    place = host.document.position(("spec", "argocd"))
    yield Finding(
        _ID,
        f"applies {what}, {why}: nothing in the fleet makes it",
        fix,
        object=title(item),
        field="spec.argocd",
        file=host.document.file,
        line=place[0],
        column=place[1],
        severity=Severity.WARNING,
        mode=Mode.WARN,
        clusters=(host.name,),
    )


def _sources(argocd: ArgoCd, item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The sources of an Application in the repository of the fleet, and their folders there."""
    spec = as_map(item.get("spec"))
    sources = spec.get("sources")
    for source in map(as_map, sources if isinstance(sources, list) else [spec.get("source")]):
        if _is_same_repository(str(source.get("repoURL", "")), argocd.repo_url):
            path = normpath(str(source.get("path", "")).strip("/"))
            yield "" if path == "." else path, source


def _applies(source: Mapping[str, Any], path: str, argocd: ArgoCd, files: Collection[str]) -> bool:
    """Whether a source applies files of the tree, or has a folder that was in it."""
    below = f"{path}/" if path else ""
    names = [file.removeprefix(below) for file in files if file.startswith(below)]
    if not names:
        return _is_in(path, argocd.path)
    directory = as_map(source.get("directory"))
    is_whole = directory.get("recurse") is True
    return any((is_whole or "/" not in name) and _takes(directory, name) for name in names)


def _takes(directory: Mapping[str, Any], name: str) -> bool:
    """Whether Argo CD applies a file of a folder; not where its globs are none that are read here for sure."""
    include, exclude = str(directory.get("include") or ""), str(directory.get("exclude") or "")
    if _UNREAD_GLOB.search(include) or _UNREAD_GLOB.search(exclude):
        return False
    return (not include or _matches(name, include)) and not _matches(name, exclude)


def _matches(name: str, glob: str) -> bool:
    """Whether a glob of Argo CD matches: its `*` matches a slash, too (glob.Match of reposerver, no separators)."""
    before, _, rest = glob.partition("{")
    within, brace, after = rest.partition("}")
    if not brace:
        return fnmatchcase(name, glob)
    return any(_matches(name, f"{before}{one}{after}") for one in within.split(","))


def _without_tree(source: Mapping[str, Any], path: str, argocd: ArgoCd) -> str:
    """The glob that keeps the tree, and what is kept out already, out of a folder around it."""
    tree = f"{argocd.path.removeprefix(path).lstrip('/')}/**"
    old = as_map(source.get("directory")).get("exclude")
    return f"{{{old},{tree}}}" if old else tree


def _is_in(path: str, folder: str) -> bool:
    return not folder or f"{path}/".startswith(f"{folder}/")


def _is_same_repository(one: str, other: str) -> bool:
    """Whether two addresses reach one repository: a port tells two apart only where both are reached in one way."""
    try:
        (scheme, port, place), (other_scheme, other_port, other_place) = _address(one), _address(other)
    except ValueError:
        return False
    return place == other_place and (scheme != other_scheme or port == other_port)


def _address(url: str) -> tuple[str, int | None, str]:
    """How a repository is reached, its port where that is not the usual one, and host and path."""
    parts = urlsplit(url if "://" in url else f"ssh://{url.replace(':', '/', 1)}")
    port = None if parts.port == _USUAL_PORTS.get(parts.scheme) else parts.port
    return parts.scheme, port, f"{parts.hostname}/{parts.path.strip('/').removesuffix('.git')}"
