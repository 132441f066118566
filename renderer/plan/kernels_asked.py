"""The kernels that a plan is asked about, and next kernels that no node can get."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.yaml_documents import MAX_BYTES
from kmodgate.policy.kmm.kernel import architecture
from kmodgate.policy.kmm.nodes.driver_toolkit import KERNEL, kernels_of
from kmodgate.renderer.errors import Refused, Unusable
from kmodgate.renderer.fleet.files import FleetFiles, Unreadable
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster, NextKernel, NodeGroup
from kmodgate.renderer.wording import listed


def add_kernel_arguments(parser: ArgumentParser) -> None:
    """Let a verb be asked about kernels that nodes may get."""
    parser.add_argument(
        "--kernel", action="append", default=[], metavar="K",
        help="kernel that nodes may get, instead of the clusters' nextKernels; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--dtk", action="append", default=[], metavar="FILE",
        help="release file of a driver-toolkit image, whose kernels are asked about like those of --kernel",
    )  # fmt: skip


def kernels_asked(versions: Iterable[str], release_files: Iterable[str]) -> list[str]:
    """Return the kernels of `--kernel` and `--dtk`. Raises Unusable."""
    found: list[str] = []
    for version in versions:
        if not KERNEL.fullmatch(version):
            raise Unusable(f"--kernel {version!r} is not the version of a kernel", "write it as uname -r prints it")
        found.append(version)
    for name in release_files:
        found += _of_release(name)
    return [*dict.fromkeys(found)]


def _of_release(name: str) -> tuple[str, ...]:
    path = Path(name)
    try:
        return kernels_of(FleetFiles(path.parent, is_named=True).bytes(path.name, limit=MAX_BYTES))
    except Unreadable as error:
        fix = error.fix if path.exists() else "correct the path"
        raise Unusable(f"--dtk {name}: {error.message}", fix) from None
    except ValueError as error:
        fix = "give /etc/driver-toolkit-release.json of a driver-toolkit image (docs/plan.md)"
        raise Unusable(f"--dtk {name}: {error}", fix) from None


def refuse_unfit(clusters: Sequence[Cluster], asked: Sequence[str]) -> None:
    """Raise Unusable or Refused where a kernel is of an architecture that no node has."""
    if asked:
        known = _architectures(group for cluster in clusters for group in cluster.nodes)
        for kernel in asked if known and all(cluster.nodes for cluster in clusters) else ():
            if architecture(kernel) not in ("", *known):
                message = f"{kernel} is a kernel for {architecture(kernel)}, and the nodes are {listed(sorted(known))}"
                raise Unusable(message, "write the version that uname -r prints on the nodes after the upgrade")
    elif found := [finding for cluster in clusters for finding in _unfit(cluster)]:
        raise Refused(found, outcome="nothing was planned")


def _unfit(cluster: Cluster) -> Iterator[Finding]:
    everywhere = _architectures(cluster.nodes)
    kernels = dict.fromkeys(
        [*cluster.next_kernels, *(kernel for group in cluster.groups for kernel in group.next_kernels)]
    )
    for kernel in kernels:
        known = everywhere if kernel in cluster.next_kernels else _architectures_of(cluster, kernel)
        named = architecture(kernel.version)
        if known and named not in ("", *known):
            message = f"{kernel.version} is a kernel for {named}, and the nodes are {listed(sorted(known))}"
            yield finding_at(cluster.document, kernel.path, "SCH104", message, "remove it, or correct the version")


def _architectures_of(cluster: Cluster, kernel: NextKernel) -> set[str]:
    return _architectures(group for group in cluster.nodes if kernel in group.next_kernels)


def _architectures(groups: Iterable[NodeGroup]) -> set[str]:
    """The architectures of nodes; none where those of some nodes are not known."""
    found = [set(group.architectures) for group in groups]
    return set().union(*found) if all(found) else set()
