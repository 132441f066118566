"""Which policy holds on which cluster: the fleet's DriverPolicies, or what the command line says instead."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import cast

from kmodgate.policy.cluster.controllers import controllers_of
from kmodgate.policy.config import NOTICE, PROFILES, Policy, PolicyException, Profile
from kmodgate.policy.config_checks import for_any_cluster
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding, Mode, Severity
from kmodgate.policy.formats.yaml_documents import MAX_BYTES, Json, parse
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.policy.parameters import SignedElsewhere
from kmodgate.policy.rule import RULES
from kmodgate.renderer.compile import policy_config_map as compiled
from kmodgate.renderer.compile import signed_elsewhere
from kmodgate.renderer.compile.image_services.kata_parameters import StatedKata, contradictions, stated_kata
from kmodgate.renderer.compile.loading_accounts import Account, loading_accounts
from kmodgate.renderer.errors import Refused, Unusable
from kmodgate.renderer.fleet.clusters.cluster_selectors import Clusters, listed_clusters
from kmodgate.renderer.fleet.files import FleetFiles, Unreadable
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.image_services.service_targets import service_targets
from kmodgate.renderer.fleet.loading.read_specs import policy_problems, read_driver_policy
from kmodgate.renderer.fleet.schema_check import check, finding_at
from kmodgate.renderer.fleet.specs import DriverPolicy
from kmodgate.renderer.fleet.targets.targets import Target
from kmodgate.renderer.manifests.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line says: a policy instead of the fleet's, a profile instead of the policy's."""

    policy: DriverPolicy | None = None
    profile: Profile | None = None

    @property
    def fallback(self) -> Policy:
        """What holds where no DriverPolicy does."""
        policy = self.policy.policy if self.policy else Policy()
        return policy.with_profile(self.profile) if self.profile else policy


def add_policy_arguments(parser: ArgumentParser) -> None:
    """The options that `read_choice` takes."""
    parser.add_argument("--policy", metavar="FILE", help="DriverPolicy that holds instead of the fleet's")
    parser.add_argument(
        "--profile", choices=tuple(PROFILES), help="profile instead of the policy's (default: the policy's, or default)"
    )


def read_choice(file: str | None, profile: Profile | None) -> Choice:
    """The options --policy and --profile; the policy may be that of a fleet, or as the webhook mounts it.

    Raises Unusable, and Refused for a file that is no DriverPolicy.
    """
    if file is None:
        return Choice(None, profile)
    path = Path(file)
    try:
        text = FleetFiles(path.parent, is_named=True).text(path.name, limit=MAX_BYTES)
    except Unreadable as error:
        fix = error.fix if path.exists() else "correct the path"
        raise Unusable(f"--policy {file}: {error.message}", fix) from None
    documents, findings = parse(text, file)
    policies: list[DriverPolicy] = []
    for written in documents:
        document = replace(written, value=cast(Json, for_any_cluster(written.value)))
        problems = check(document, "DriverPolicy")
        problems = problems or [finding for finding, _ in policy_problems(document)]
        findings += problems
        if not problems:
            policies.append(read_driver_policy(document))
    if findings:
        raise Refused(findings, outcome="nothing was checked")
    if len(policies) != 1:
        raise Unusable(f"--policy {file}: holds {len(policies)} policies", "give a file with one DriverPolicy")
    return Choice(policies[0], profile)


@dataclass(frozen=True, slots=True)
class HeldPolicy:
    """A policy that some clusters were judged by, with the name of its DriverPolicy; the built-in one has no name.

    Clusters of one DriverPolicy have different policies where different drivers are signed elsewhere.
    """

    name: str
    policy: Policy
    clusters: tuple[str, ...] = ()


def merged(held: Iterable[HeldPolicy]) -> list[HeldPolicy]:
    """Return each policy once, by name and hash, with all its clusters."""
    same: dict[tuple[str, int], tuple[HeldPolicy, dict[str, None]]] = {}
    for item in held:  # of each object that is judged: the hash of a policy takes longer than some of their rules
        same.setdefault((item.name, id(item.policy)), (item, {}))[1].update(dict.fromkeys(item.clusters))
    found: dict[tuple[str, str], tuple[HeldPolicy, dict[str, None]]] = {}
    for item, clusters in same.values():
        found.setdefault((item.name, item.policy.digest), (item, {}))[1].update(clusters)
    return [replace(item, clusters=tuple(clusters)) for item, clusters in found.values()]


_Key = tuple[int, tuple[SignedElsewhere, ...], tuple[str, ...], tuple[Account, ...], StatedKata | None]
"""A DriverPolicy by its identity, and of a cluster: what is signed elsewhere, who is KMM, who else loads drivers, and
what is said of Kata."""


class Policies:
    """The policy of every cluster of a fleet: the DriverPolicy that selects it, or what the command line says."""

    def __init__(self, fleet: Fleet, choice: Choice, findings: list[Finding]) -> None:
        self._choice = choice
        self._by_cluster = dict(_assigned(fleet, findings)) if choice.policy is None else {}
        self._elsewhere = signed_elsewhere.entries(fleet, findings)
        self._accounts = loading_accounts(fleet)
        self._controllers = {
            cluster.name: controllers_of(kmm.flavour, kmm.namespace, is_hub=cluster.is_hub)
            for cluster in fleet.clusters
            if (kmm := cluster.kmm) is not None
        }
        services = service_targets(fleet, [])
        self._kata = {name: stated_kata(target) for name, target in services.items()}
        for name, policy in self._by_cluster.items():
            if name in services:
                findings.extend(contradictions(services[name], policy))
        self._policies: dict[_Key, Policy] = {}
        self._manifests: dict[_Key, list[Manifest]] = {}

    def policy(self, cluster: str) -> Policy:
        """Return the policy of a cluster; clusters of one DriverPolicy that differ in nothing else share it."""
        found = self._by_cluster.get(cluster)
        key = self._key(found, cluster)
        if key not in self._policies:
            policy = self._choice.fallback if found is None else found.policy
            policy = policy.with_profile(self._choice.profile) if self._choice.profile else policy
            _, elsewhere, controllers, accounts, kata = key
            policy = policy.with_signed_elsewhere(elsewhere).with_controllers(controllers).with_kernel_access(accounts)
            self._policies[key] = policy if kata is None else policy.with_kata(kata.over(policy.parameters.kata))
        return self._policies[key]

    def _key(self, source: DriverPolicy | None, cluster: str) -> _Key:
        elsewhere, controllers = self._elsewhere.get(cluster, ()), self._controllers.get(cluster, ())
        return id(source), elsewhere, controllers, self._accounts.get(cluster, ()), self._kata.get(cluster)

    def name(self, cluster: str) -> str:
        """The name of the DriverPolicy of a cluster, or nothing."""
        source = self._choice.policy or self._by_cluster.get(cluster)
        return source.name if source else ""

    def held(self, clusters: Iterable[str]) -> Iterator[HeldPolicy]:
        """Yield the policy of each cluster."""
        for cluster in clusters:
            yield HeldPolicy(self.name(cluster), self.policy(cluster), (cluster,))

    def manifests(self, cluster: str, targets: Sequence[Target]) -> list[Manifest]:
        """The policy as the webhook of the cluster mounts it.

        None where none is written, no driver goes and no image service is.
        """
        source = self._choice.policy or self._by_cluster.get(cluster)
        if source is None and not targets and cluster not in self._kata:
            return []
        key = self._key(source, cluster)
        if key not in self._manifests:  # clusters of one policy share its objects
            self._manifests[key] = compiled.manifests(source, self.policy(cluster))
        return self._manifests[key]


def _assigned(fleet: Fleet, findings: list[Finding]) -> Iterator[tuple[str, DriverPolicy]]:
    """Cluster and policy; a cluster with two is a finding that names both."""
    clusters = Clusters(fleet.clusters)
    seen: dict[str, DriverPolicy] = {}
    for policy in fleet.policies:
        for cluster in listed_clusters(policy.document, policy.clusters, clusters, findings if fleet.is_whole else []):
            other = seen.setdefault(cluster.name, policy)
            if other is policy:
                yield cluster.name, policy
            else:
                message = f"cluster {cluster.name} has a DriverPolicy already: {other.name} in {other.document.file}"
                fix = "narrow one of the two selectors: at most one policy a cluster"
                findings.append(finding_at(policy.document, ("spec", "clusters"), "REF007", message, fix))


def exception_findings(policies: list[DriverPolicy], today: date) -> Iterator[Finding]:
    """Exceptions that end within two weeks, and those that have ended."""
    for policy in policies:
        for index, item in enumerate(policy.policy.exceptions):
            path = ("spec", "exceptions", index, "expires")
            who = f"exception of {item.owner} from {item.rule} ({item.ticket})"
            fix = "mend what it bears, or agree on another day"
            if item.expires < today:
                yield finding_at(policy.document, path, "POL102", f"the {who} has ended on {item.expires}", fix)
            elif item.expires - today <= NOTICE:
                finding = finding_at(policy.document, path, "POL101", f"the {who} ends on {item.expires}", fix)
                yield _as_warning(finding)


def unused_exceptions(
    policies: Iterable[DriverPolicy], used: Collection[PolicyException], today: date
) -> Iterator[Finding]:
    """Notes about exceptions that held for nothing in a fleet that was judged as a whole.

    Exceptions for what a fleet cannot show are left out: rules about objects that no spec makes, about changes, and
    about facts of a cluster.
    """
    for policy in policies:
        for index, item in enumerate(policy.policy.exceptions):
            if item not in used and today <= item.expires and _shows_in_fleets(item, policy.policy):
                message = f"the exception of {item.owner} from {item.rule} ({item.ticket}) matches nothing in the fleet"
                fix = "correct its object, or remove it if nothing in a cluster needs it either"
                finding = finding_at(policy.document, ("spec", "exceptions", index), "POL103", message, fix)
                yield replace(finding, severity=Severity.INFO, mode=Mode.AUDIT)


def _shows_in_fleets(item: PolicyException, policy: Policy) -> bool:
    """Whether a fleet has everything that an exception can hold for."""
    rule = RULES.get(item.rule)
    if rule is None or rule.facts or "CREATE" not in rule.operations:
        return False
    kinds = {item.kind} if item.kind else set(rule.kinds)
    return kinds <= set(MODULE_KINDS) and policy.mode(rule.id, rule.severity) is not Mode.DISABLED


def _as_warning(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.WARNING, mode=Mode.WARN)
