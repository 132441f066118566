"""`kmodgate webhook-config`: what registers the admission webhook in a cluster, and what it may do there."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from kmodgate.policy.cluster.controllers import KMM, controllers_in
from kmodgate.policy.config import PLATFORMS, Platform
from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.kubernetes_names import is_dns1123_label
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.webhook_entries.namespaces import unreachable
from kmodgate.renderer.check.cluster_state.cluster_dump import read_dump
from kmodgate.renderer.compile.cluster_policies import Choice, add_policy_arguments, read_choice
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable
from kmodgate.renderer.fleet.clusters.cluster_selectors import check_names
from kmodgate.renderer.fleet.files import OUTPUT
from kmodgate.renderer.fleet.fleet import names_of
from kmodgate.renderer.fleet.root import as_typed, find_root, prefix
from kmodgate.renderer.registration.endpoint import DEFAULT_SERVICE, read_endpoint
from kmodgate.renderer.registration.objects import (
    FOLDER,
    PARTS,
    Served,
    files,
    objects,
    part_of,
    refuse_unconditional,
    served,
    stream,
    unguarded,
)
from kmodgate.renderer.report.file_changes import summary
from kmodgate.renderer.tree.compare import Change, compare
from kmodgate.renderer.tree.stray_specs import load_with_output
from kmodgate.renderer.tree.write import locked, write
from kmodgate.renderer.wording import counted, listed

_NAMELESS = "cluster"
_KUBERNETES = lazy_regex(r"v?([0-9]+\.[0-9]+)(?:[.+-].*)?")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "fleet", nargs="?", metavar="FLEET", help="folder of the fleet, or one below it (default: here)"
    )
    parser.add_argument(
        "--cluster", action="append", default=[], metavar="NAME", help="only this cluster; may be given several times"
    )
    parser.add_argument(
        "--namespace", action="append", default=[], metavar="NAME",
        help="without a fleet: a namespace of drivers; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--kubernetes", metavar="VERSION",
        help="without a fleet: version of the API server, like 1.34 (default: the newest)",
    )  # fmt: skip
    parser.add_argument(
        "--platform", choices=sorted(PLATFORMS),
        help="without a fleet: openshift leaves its own namespaces to it (default: kubernetes)",
    )  # fmt: skip
    parser.add_argument(
        "--facts", metavar="PATH",
        help="dump with the Deployments or ClusterServiceVersions of the cluster, which show who KMM is",
    )  # fmt: skip
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--service", metavar="NAMESPACE/NAME[:PORT]", help=f"Service of the webhook (default: {DEFAULT_SERVICE})"
    )
    where.add_argument("--url", metavar="URL", help="where a webhook outside the cluster is: https://HOST[:PORT]")
    parser.add_argument("--ca-bundle", metavar="FILE", help="PEM certificates to trust (default: it publishes its own)")
    add_policy_arguments(parser)
    parser.add_argument(
        "--only", choices=PARTS,
        help="only the rights, which it needs to become ready, or the configurations, to be applied when it is",
    )  # fmt: skip
    parser.add_argument("--output", default="-", metavar="DIR", help="folder for one file an object (default: stdout)")


def run(args: Namespace, console: Console) -> ExitCode:
    if args.output == "":
        raise Unusable("--output is empty", "give a folder, or leave the option out for stdout")
    if args.only and args.output != "-":
        raise Unusable("--only is for stdout", "leave out --only: in a folder each object has a file of its own")
    endpoint, own = read_endpoint(args.service, args.url, args.ca_bundle)
    choice = read_choice(args.policy, args.profile)
    shown = _shown(args.facts)
    clusters = _named(args, choice, own, shown) if args.namespace else _of_fleet(args, choice, console, shown)
    _tell_unguarded(clusters, own, console)
    _tell_unknown(clusters, console)
    if shown and len(clusters) > 1:
        raise Unusable(f"--facts {args.facts}: a dump is of one cluster", "say which with --cluster NAME")
    refuse_unconditional(clusters)
    found = {name: objects(cluster, endpoint, own) for name, cluster in clusters.items()}
    if args.output != "-":
        wanted = {name: files(values) for name, values in found.items()}
        scope = list(wanted) if args.cluster or args.namespace else None
        with locked(args.output) as folder:
            change = compare(wanted, args.output, scope)
            _refuse_trees_of_render(change)
            write(change, folder, console.progress)
        written = counted(sum(map(len, found.values())), "object")
        console.say(f"{args.output}: {written} for {counted(len(found), 'cluster')}; {summary(change)}")
    elif len(found) == 1:
        (values,) = found.values()
        console.data(stream(part_of(values, args.only) if args.only else values))
    else:
        message = f"{counted(len(found), 'cluster')} ({listed(list(found), 3)}) have objects of the same names"
        raise Unusable(message, "give one with --cluster NAME, or a folder with --output DIR")
    return ExitCode.OK


def _shown(path: str | None) -> tuple[str, ...]:
    """The users that a dump shows to be KMM's. Raises Unusable for a dump that shows none."""
    if path is None:
        return ()
    found = controllers_in(read_dump(path).objects)
    if not found:
        message = f"--facts {path}: no Deployment or ClusterServiceVersion of KMM in it"
        raise Unusable(message, "kubectl get deployments,clusterserviceversions -A -o yaml > FILE")
    return found


def _named(args: Namespace, choice: Choice, own: str, shown: tuple[str, ...]) -> dict[str, Served]:
    """A cluster that no fleet describes. Raises Unusable for namespaces that the webhook never guards."""
    if args.fleet is not None:
        raise Unusable("--namespace is for a cluster without a fleet", "leave out either FLEET or --namespace")
    for option in ("namespace", "cluster"):
        for name in getattr(args, option):
            if not is_dns1123_label(name):
                raise Unusable(f"--{option} {name}: not a name", "lower case letters, digits and inner -")
    for name in unreachable(args.namespace, own):
        raise Unusable(f"--namespace {name}: {_reason(name, own)}", "name a namespace of drivers, and of nothing else")
    if len(args.cluster) > 1:
        raise Unusable("--cluster names several clusters, and no fleet describes them", "give one, or none")
    cluster = args.cluster[0] if args.cluster else _NAMELESS
    namespaces = tuple(sorted(set(args.namespace)))
    platform: Platform = args.platform or "kubernetes"
    return {cluster: Served(choice.fallback, namespaces, {}, _version(args.kubernetes), platform, shown)}


def _version(text: str | None) -> str:
    found = _KUBERNETES.fullmatch(text or "")
    if text is not None and found is None:
        raise Unusable(f"--kubernetes {text}: not a version of Kubernetes", "write it like 1.34")
    return found[1] if found else ""


def _of_fleet(args: Namespace, choice: Choice, console: Console, shown: tuple[str, ...]) -> dict[str, Served]:
    if args.kubernetes is not None:
        raise Unusable("--kubernetes is for a cluster without a fleet", "say it in its spec: spec.kubernetes.version")
    if args.platform is not None:
        raise Unusable("--platform is for a cluster without a fleet", "say it in its spec: spec.platform")
    root = find_root(Path(args.fleet or "."))
    console.base = prefix(as_typed(root))
    findings: list[Finding] = []
    fleet = load_with_output(root, root / OUTPUT, findings, console.progress)
    found = served(fleet, findings, choice, shown)
    check_names(names_of(fleet), args.cluster)
    return {name: cluster for name, cluster in found.items() if not args.cluster or name in args.cluster}


def _tell_unguarded(clusters: Mapping[str, Served], own: str, console: Console) -> None:
    """What the configurations leave out although drivers or the policy name it; the rest of them holds."""
    for cluster, guarded in clusters.items():
        for name, undone in unguarded(guarded, own):
            console.say(f"warning: cluster {cluster}: namespace {name} {_reason(name, own)}; {undone}")


def _tell_unknown(clusters: Mapping[str, Served], console: Console) -> None:
    """Clusters without KMM, and those of which nobody says who KMM is: its records are not kept for it there."""
    for cluster, guarded in clusters.items():
        known = guarded.policy.parameters.controllers
        if not guarded.has_kmm and guarded.has_daemon_sets:
            continue
        if not guarded.has_kmm:
            console.say(f"note: cluster {cluster}: its spec has no kmm; only entries for DKMS work are registered")
        elif not guarded.controllers:
            why = "neither its spec (spec.kmm), the policy (parameters.controllers) nor --facts says who KMM is"
            console.say(f"warning: cluster {cluster}: {why}; writing KMM's own records is only warned of")
        elif missing := [user for user in guarded.shown if user not in known]:
            users = listed(missing, 3)
            console.say(
                f"note: cluster {cluster}: put {users} under parameters.controllers, so that the webhook knows too"
            )
        elif KMM.isdisjoint(guarded.controllers):
            users = listed(guarded.controllers, 3)
            console.say(
                f"note: cluster {cluster}: KMM is {users}; the accounts of its usual installations do not count"
            )


def _reason(name: str, own: str) -> str:
    whose = "the webhook's own" if name == own else "the platform's"
    return f"is {whose}, and is never guarded: it must come up without the webhook"


def _refuse_trees_of_render(change: Change) -> None:
    """A folder that render owns would lose its Modules."""
    for cluster in change.clusters:
        if any(not path.startswith(f"{FOLDER}/") for path in cluster.before):
            place = f"{change.output}/{cluster.cluster}"
            raise Unusable(f"--output {change.output}: {place} holds what render wrote", "give a folder of its own")
