"""What keeps a driver from being loaded at boot on a cluster, and what to know about it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.findings import FieldPath, Finding, Mode, Severity
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.renderer.deliveries.boot.boot_settings import boot_problems
from kmodgate.renderer.deliveries.boot.objects import boot_of, site, why_none, worker
from kmodgate.renderer.fleet.clusters.cluster_selectors import suggest
from kmodgate.renderer.fleet.clusters.pools import MASTER, groups_in_pool, knows_its_nodes, pool_label
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.fleet.targets.targets import Target
from kmodgate.renderer.wording import listed

_HOST_NOTHING = ("hosted", "microshift")


def problems(target: Target) -> Iterator[Finding]:
    """Report what keeps a driver from being loaded at boot on a cluster, and what to know about it."""
    variant, cluster, boot = target.variant, target.cluster, boot_of(target.variant)
    if why := why_none(cluster):
        if variant.spec.get("delivery") == "hub":
            message, fix = f"spoke {cluster.name} {why}: nothing is loaded at boot there", "nothing, if that is meant"
            yield _warning(variant.merged.finding(("boot",), "DAY001", message, fix))
            return
        fix = "say in spec.hosted of the Cluster which cluster that is"
        if cluster.topology != "hosted" or cluster.hosted:
            fix = "leave boot out there, by an override with boot: null"
        yield variant.merged.finding(("boot",), "DAY001", f"cluster {cluster.name} {why}", fix)
        return
    yield from _spec_problems(target)
    if boot.get("bootModuleConfig") and not site(cluster).has_boot_module_config:
        message = f"the KMM of cluster {cluster.name} has no BootModuleConfig: Red Hat's has it from 2.5 on"
        fix = "leave it out there, so that a MachineConfig is rendered"
        if cluster.hosted is not None:
            message = f"cluster {cluster.name} is hosted: a NodePool takes its configuration from a ConfigMap alone"
            fix = "leave it out there, by an override with boot: {bootModuleConfig: false}"
        yield variant.merged.finding(("boot", "bootModuleConfig"), "DAY001", message, fix)
    yield from _pool_problems(target, str(boot["pool"]))
    yield from _unloaded_again(target)
    if secret := variant.spec.get("imageRepoSecret"):
        message = (
            f"at boot the nodes of cluster {cluster.name} pull with the cluster-wide pull secret, and not with {secret}"
        )
        fix = "add the registry to the pull secret of the cluster (openshift-config/pull-secret), or of the NodePools"
        yield _warning(variant.merged.finding(("imageRepoSecret",), "DAY009", message, fix))


def _spec_problems(target: Target) -> Iterator[Finding]:
    """Report what is wrong on whatever cluster; a worker that the Cluster names is told there."""
    variant, cluster, boot = target.variant, target.cluster, boot_of(target.variant)
    driver, namespace = variant.driver.name, variant.namespace
    for item in boot_problems(driver, namespace, boot, variant.spec, cluster.worker_image):
        named = worker(cluster) if item.path == ("boot", "workerImage") and not boot.get("workerImage") else None
        if named is not None:
            yield finding_at(cluster.document, named.path, item.rule, item.message, item.fix)
        else:
            yield variant.merged.finding(item.path, item.rule, item.message, item.fix)


def _unloaded_again(target: Target) -> Iterator[Finding]:
    """Report a Module that removes the kernel module of its own name: at boot that is the driver itself.

    The pods of a DaemonSet look first, and leave what is the image's.
    """
    variant, spec = target.variant, target.variant.spec
    if spec.get("delivery") == "daemonset":
        return
    name = in_kernel_form(str(as_map(spec.get("modprobe")).get("moduleName", "")))
    levels: list[tuple[FieldPath, object]] = [((), spec)]
    mappings = spec.get("kernelMappings")
    levels += [
        (("kernelMappings", index), item) for index, item in enumerate(mappings if isinstance(mappings, list) else ())
    ]
    for path, level in levels:
        removed = as_map(level).get("inTreeModulesToRemove")
        if name in map(in_kernel_form, map(str, removed if isinstance(removed, list) else ())):
            message = (
                f"after each boot the delivery unloads the {name} that was loaded at boot, on all nodes at once, and "
                f"loads its own"
            )
            fix = (
                "move the list to spec.boot.inTreeModulesToRemove, unless the driver is to be replaced without a reboot"
            )
            yield _warning(variant.merged.finding((*path, "inTreeModulesToRemove"), "DAY011", message, fix))


def _pool_problems(target: Target, pool: str) -> Iterator[Finding]:
    variant, cluster = target.variant, target.cluster
    groups = groups_in_pool(cluster, pool)
    if not groups and knows_its_nodes(cluster):
        message = f"no node group of cluster {cluster.name} is in pool {pool}"
        fix = f"name a pool of its nodes, or label a node group: {pool_label(cluster, pool)}"
        if groups_in_pool(cluster, MASTER) and cluster.topology in ("sno", "compact"):
            message += f": all its nodes are in pool {MASTER}, since they are control plane and workers"
            fix = f"write pool: {MASTER}, by an override if other clusters differ"
        if variant.spec.get("delivery") == "hub":
            fix = (
                "name a pool of all these spokes; those of another one need a KernelDriver of their own (hub.selector)"
            )
        yield variant.merged.finding(("boot", "pool"), "DAY002", message, fix)
    for group in groups:
        kernels = (*group.kernels, *(item.version for item in group.next_kernels))
        odd = [kernel for kernel in dict.fromkeys(kernels) if "+" in kernel]
        if odd:
            message = (
                f"kernel {listed(odd, 3)} of {group.name} of cluster {cluster.name} has a + in its version, "
                f"and no tag of an image can have one: nothing is loaded at boot"
            )
            fix = "take another kernel for the pool, or leave boot out there"
            yield variant.merged.finding(("boot", "pool"), "DAY006", message, fix)
    if paused := [group.name for group in groups if group.is_paused]:
        message = (
            f"pool {pool} of cluster {cluster.name} is paused ({listed(paused, 3)}): nothing is applied to its nodes"
        )
        fix = "nothing, if that is meant; they get it once the pool is resumed"
        yield _warning(variant.merged.finding(("boot", "pool"), "DAY010", message, fix))


def hosting_problems(
    clusters: Collection[Cluster], faulty: Collection[Cluster] = (), *, is_whole: bool
) -> Iterator[Finding]:
    """Report hosted control planes that run nowhere.

    A cluster that is missing may be in a file that cannot be used, unless `is_whole`; one that is `faulty`, whose spec
    has schema errors, may have another topology.
    """
    known = {cluster.name: cluster for cluster in clusters}
    unsure = {cluster.name for cluster in faulty}
    place: FieldPath = ("spec", "hosted")
    for cluster in clusters:
        hosted = cluster.hosted
        if hosted is None:
            continue
        if cluster.topology != "hosted":
            if cluster.name not in unsure:
                message = f"topology {cluster.topology} has its control plane on no other cluster"
                yield finding_at(cluster.document, place, "DAY008", message, "write topology: hosted, or remove hosted")
        elif hosted.management not in unsure:
            host = known.get(hosted.management)
            if problem := _why_no_host(hosted.management, host, clusters) if host or is_whole else None:
                yield finding_at(cluster.document, (*place, "management"), "DAY008", *problem)


def _why_no_host(name: str, host: Cluster | None, clusters: Collection[Cluster]) -> tuple[str, str] | None:
    """Return why a cluster hosts no control plane, and the fix. HyperShift also runs on plain Kubernetes."""
    able = [cluster.name for cluster in clusters if cluster.topology not in _HOST_NOTHING]
    fix = suggest(name, able) if able else "add the Cluster that hosts the control plane to the fleet"
    if host is None:
        return f"there is no cluster {name}", fix
    if host.topology == "hosted":
        return f"cluster {name} is hosted itself", fix
    if host.topology == "microshift":
        return f"cluster {name} is MicroShift, which hosts no control plane", fix
    return None


def _warning(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.WARNING, mode=Mode.WARN)
