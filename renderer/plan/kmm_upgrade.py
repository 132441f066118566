"""A fleet on a newer KMM: what the newer version would refuse, and what it would do otherwise.

Sources: release notes and git tags of Kernel Module Management; its internal/buildsign for the image in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding, Mode, sort_findings
from kmodgate.policy.kmm.versions import NEXT_REDHAT, NEXT_UPSTREAM, Release
from kmodgate.renderer.compile.compiler import CompiledFleet, compile_fleet
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.judge.fleet_judge import FleetJudge


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a newer KMM does otherwise, and with which Modules on which clusters."""

    text: str
    modules: tuple[str, ...]
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What a newer KMM means for a fleet. `current` are the clusters that it does not concern."""

    version: str
    findings: list[Finding]
    gone: list[Finding]
    changes: list[Change]
    current: list[str]

    @property
    def is_refused(self) -> bool:
        """Whether the newer KMM, or a rule that holds from it on, refuses an object."""
        return any(finding.mode is Mode.ENFORCE for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Behaviour:
    """What KMM does from a version on, upstream and in Red Hat's build, with the Modules that it concerns."""

    upstream: str
    redhat: str
    text: str
    concerns: Callable[[Mapping[str, Any]], bool]


def _loads(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("moduleLoader"))


def _is_ordered(spec: Mapping[str, Any]) -> bool:
    return _loads(spec) and bool(spec["moduleLoader"]["container"].get("version"))


def _has_plugin(spec: Mapping[str, Any]) -> bool:
    return "devicePlugin" in spec


def _is_built_and_signed(spec: Mapping[str, Any]) -> bool:
    if not _loads(spec):
        return False
    container = spec["moduleLoader"]["container"]
    levels = [{**container, **mapping} for mapping in container["kernelMappings"]]
    return any(level.get("build") and level.get("sign") for level in levels)


def _is_made(spec: Mapping[str, Any]) -> bool:
    if not _loads(spec):
        return False
    container = spec["moduleLoader"]["container"]
    return any(level.get("build") or level.get("sign") for level in (container, *container["kernelMappings"]))


_BEHAVIOURS = (
    _Behaviour("2.0", "2.0", "worker pods load the driver, in place of a DaemonSet for each kernel", _loads),
    _Behaviour(
        "2.2", "2.2",
        "the node's container runtime pulls the driver's image, in place of the worker: mirrors, certificates and "
        "proxies of the node hold",
        _loads,
    ),
    _Behaviour("2.4", "2.4", "the node's container runtime looks for an image before KMM makes it", _is_made),
    _Behaviour("2.5", "2.5", "nodes get a label ….version.ready once they run the version", _is_ordered),
    _Behaviour(
        NEXT_UPSTREAM, NEXT_REDHAT,
        "no image with the ending _kmm_unsigned is pushed: the final tag holds the unsigned image until it is signed",
        _is_built_and_signed,
    ),
    _Behaviour(NEXT_UPSTREAM, NEXT_REDHAT, "pods that look for images tolerate what the Module tolerates", _loads),
    _Behaviour(
        NEXT_UPSTREAM, NEXT_REDHAT, "a cordoned node loses the label that its device-plugin pods select", _has_plugin
    ),
)  # fmt: skip


def upgraded(
    compiled: CompiledFleet, known: Iterable[Finding], judge: FleetJudge, version: str, only: Iterable[str] = ()
) -> Upgrade:
    """Return what KMM of this version would refuse or do otherwise. Raises Unusable for a version that nobody has.

    `known` are the findings of the specs as they are.
    """
    wanted = set(only) or {cluster.name for cluster in compiled.fleet.clusters}
    chosen = [cluster for cluster in compiled.fleet.clusters if cluster.name in wanted]
    newer = {cluster.name: _with_kmm(cluster, version) for cluster in chosen if _is_older(cluster, version)}
    _refuse_unknown(chosen, version)
    clusters = [newer.get(cluster.name, cluster) for cluster in compiled.fleet.clusters]
    findings: list[Finding] = []
    after = compile_fleet(replace(compiled.fleet, clusters=clusters), findings)
    was, now = [*known, *_judged(judge, compiled, newer)], [*findings, *_judged(judge, after, newer)]
    current = [cluster.name for cluster in chosen if cluster.name not in newer]
    changes = [*_changes(compiled, newer)]
    return Upgrade(version, _beyond(now, was), _beyond(was, now), changes, current)


def _is_older(cluster: Cluster, version: str) -> bool:
    release = cluster.release
    return release is not None and _knows(release, version) and not release.has(version)


def _knows(release: Release, version: str) -> bool:
    return bool(version) and replace(release, kmm=version).is_known


def _refuse_unknown(clusters: list[Cluster], version: str) -> None:
    releases = [release for cluster in clusters if (release := cluster.release) is not None]
    if not any(_knows(release, version) for release in releases):
        known = dict.fromkeys(name for release in releases for name in release.known)
        fix = f"one of: {', '.join(known)}" if known else "give a Cluster spec.kmm"
        raise Unusable(f"--kmm {version} is not a version of KMM that the clusters can have", fix)


def _with_kmm(cluster: Cluster, version: str) -> Cluster:
    assert cluster.kmm is not None
    return replace(cluster, kmm=replace(cluster.kmm, version=version))


def _judged(judge: FleetJudge, compiled: CompiledFleet, clusters: Iterable[str]) -> list[Finding]:
    """The findings about the objects of some clusters; the others are not judged."""
    names = set(clusters)
    concerned = [cluster for cluster in compiled.fleet.clusters if cluster.name in names]
    fleet = replace(compiled.fleet, clusters=concerned)
    return [item for item in judge.judge(replace(compiled, fleet=fleet)) if item.mode is not Mode.AUDIT]


_Key = tuple[str, str, str, str]
"""Rule, object, field and cluster."""


def _keys(finding: Finding) -> dict[str, _Key]:
    return {name: (finding.rule, finding.object, finding.field, name) for name in finding.clusters or ("",)}


def _beyond(found: Iterable[Finding], others: Iterable[Finding]) -> list[Finding]:
    """The findings that the others do not have, each with the clusters on which they do not have it."""
    known = {key for finding in others for key in _keys(finding).values()}
    result = []
    for finding in found:
        names = tuple(name for name, key in _keys(finding).items() if key not in known)
        if names:
            result.append(replace(finding, clusters=tuple(name for name in names if name)))
    return sort_findings(result)


def _changes(compiled: CompiledFleet, newer: Mapping[str, Cluster]) -> Iterator[Change]:
    """The behaviours that come between the version of a cluster and the newer one."""
    for behaviour in _BEHAVIOURS:
        modules: dict[str, None] = {}
        clusters: dict[str, None] = {}
        for cluster in compiled.fleet.clusters:
            if cluster.name in newer and _comes(behaviour, cluster.release, newer[cluster.name].release):
                for identity, manifest in compiled.objects(cluster.name).items():
                    spec: Any = manifest.value.get("spec")
                    if driver_of(manifest.value) and behaviour.concerns(spec):
                        modules[f"{identity.namespace}/{identity.name}"] = None
                        clusters[cluster.name] = None
        if modules:
            yield Change(behaviour.text, tuple(sorted(modules)), tuple(sorted(clusters)))


def _comes(behaviour: _Behaviour, old: Release | None, new: Release | None) -> bool:
    assert old is not None
    assert new is not None
    version = behaviour.redhat if new.redhat else behaviour.upstream
    return new.has(version) and not old.has(version)
