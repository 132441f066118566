"""What a DriverPolicy has to approve before it refuses workloads, from a dump of a cluster: nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.config import Platform, Policy
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.formats.kubernetes_names import is_dns1123_subdomain
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.node_access.owners import MODULE, controller_of
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.policy.views.pod import POD_KINDS
from kmodgate.policy.webhook_entries.namespaces import is_of_platform

_FAMILY = "PRV"
_WORDS_OF_YAML = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_AT_CHECK_ONLY = frozenset(("PRV111", "PRV112"))


@dataclass(slots=True)
class Approval:
    """A ServiceAccount that a policy has to approve so that what runs goes on: for which workloads, and what they do.

    `workloads` are kind, namespace and name with the findings about each.
    """

    namespace: str
    service_account: str
    workloads: dict[str, list[Finding]] = field(default_factory=dict)


def holds_workloads(dump: Dump) -> bool:
    """Whether a dump tells what runs: it has a workload, or a List of some kind of them."""
    kinds = {kind.rpartition("/")[2] for kind in POD_KINDS}
    return bool(kinds & dump.complete) or any(_kind(item) in POD_KINDS for item in dump.objects)


def approvals(dump: Dump, policy: Policy, platform: Platform, own: str) -> list[Approval]:
    """The ServiceAccounts of controllers that run, and whose pods would be refused, sorted by namespace and name.

    `own` is the webhook's namespace, which is left out as the platform's are.
    """
    load_rules()
    wanted = [id for id in RULES if id.startswith(_FAMILY) and id not in _AT_CHECK_ONLY]
    policy = enforcing(policy, wanted)
    engine = Engine(policy, "admit", wanted)
    found: dict[tuple[str, str], Approval] = {}
    for item in dump.objects:
        namespace = str(metadata_of(item).get("namespace", ""))
        if namespace == own or is_of_platform(namespace, platform) or not _is_looked_at(item, dump):
            continue
        traits = ClusterTraits(platform=platform)
        review = Review(defaulted(item), None, "CREATE", traits, policy.parameters, dump.facts)
        refusing = [finding for finding in engine.evaluate(review) if finding.mode is Mode.ENFORCE]
        key = (namespace, review.pod.service_account)
        if refusing and all(map(is_dns1123_subdomain, key)):
            found.setdefault(key, Approval(*key)).workloads[_title(item)] = refusing
    return [found[key] for key in sorted(found)]


def enforcing(policy: Policy, rules: Collection[str]) -> Policy:
    """The policy as it is once it refuses workloads; one that refuses some of them already stays as it is."""
    if any(policy.mode(id, RULES[id].severity, "admit") is Mode.ENFORCE for id in rules):
        return policy
    admit = {**policy.gates.get("admit", {}), _FAMILY: Mode.ENFORCE}
    return replace(policy, modes={**policy.modes, _FAMILY: Mode.ENFORCE}, gates={**policy.gates, "admit": admit})


def as_yaml(found: Iterable[Approval], source: str) -> str:
    """The approvals as the part of a DriverPolicy's spec that they belong to, each below a comment that says why."""
    lines = [
        f"# What runs by {_line(source)} and would be refused. Whoever uses one of these accounts can take",
        "# its nodes over: leave out what you do not know. The rest goes into spec.parameters of the DriverPolicy.",
        "parameters:",
        "  kernelAccess:",
    ]
    entries = [line for item in found for line in _entry(item)]
    return "\n".join([*lines, "    approved:", *entries] if entries else [*lines, "    approved: []"]) + "\n"


def _entry(item: Approval) -> Iterator[str]:
    for title, findings in sorted(item.workloads.items()):
        yield f"    # {_line(title)}"
        for rule, messages in _by_rule(findings).items():
            for message in messages:
                yield f"    #   needs {rule}: {_line(message)}"
    yield f"    - namespace: {_scalar(item.namespace)}"
    yield f"      serviceAccount: {_scalar(item.service_account)}"


def _by_rule(findings: Iterable[Finding]) -> dict[str, list[str]]:
    """The messages of each rule, each once, with the field that they are about."""
    found: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        text = f"{finding.message} ({finding.field})"
        if text not in found[finding.rule]:
            found[finding.rule].append(text)
    return dict(sorted(found.items()))


def _scalar(name: str) -> str:
    """A name that is DNS-1123, in quotes where YAML would read another type."""
    return name if name[:1].isalpha() and name not in _WORDS_OF_YAML else f'"{name}"'


def _line(text: str) -> str:
    """Text on one line: what stands in a dump ends no comment."""
    return "".join(char if char.isprintable() else " " for char in text)


def _kind(item: Mapping[str, Any]) -> str:
    """The kind as a review names it."""
    group = str(item.get("apiVersion", "")).rpartition("/")[0]
    return f"{group}/{item.get('kind')}" if group else str(item.get("kind"))


def _title(item: Mapping[str, Any]) -> str:
    metadata = metadata_of(item)
    since = metadata.get("creationTimestamp")
    maker = next((ref for ref in metadata.get("ownerReferences") or () if as_map(ref).get("controller") is True), None)
    text = f"{item.get('kind')} {metadata.get('namespace')}/{metadata.get('name')}"
    text += f", of {as_map(maker).get('kind')} {as_map(maker).get('name')}" if maker else ""
    return text + (f", since {since}" if since else "")


def _is_looked_at(item: Mapping[str, Any], dump: Dump) -> bool:
    """Whether an object is a controller that runs, or a pod of one of another kind: others are not made again."""
    kind, metadata = _kind(item), metadata_of(item)
    if kind not in POD_KINDS or "deletionTimestamp" in metadata or not _runs(item):
        return False
    named = controller_of(item)
    if named is not None and named.kind != MODULE:  # which is judged itself, where the dump has it
        plain = named.kind.rpartition("/")[2]
        return not isinstance(dump.facts.find(plain, str(metadata.get("namespace", "")), named.name), Mapping)
    return kind != "Pod" or (_has_controller(metadata) and "Node" not in _owner_kinds(metadata))


def _has_controller(metadata: Mapping[str, Any]) -> bool:
    references = metadata.get("ownerReferences")
    return isinstance(references, list) and any(as_map(item).get("controller") is True for item in references)


def _owner_kinds(metadata: Mapping[str, Any]) -> set[str]:
    """The kinds of an object's owners; a Node owns the mirrors of its static pods."""
    references = metadata.get("ownerReferences")
    return {str(as_map(item).get("kind")) for item in references} if isinstance(references, list) else set()


def _runs(item: Mapping[str, Any]) -> bool:
    """Whether a workload has pods, or will have some by itself."""
    spec, status = as_map(item.get("spec")), as_map(item.get("status"))
    ended = {"Complete", "Failed"}
    conditions = status.get("conditions")
    is_over = item.get("kind") == "Job" and any(
        as_map(one).get("type") in ended and as_map(one).get("status") == "True"
        for one in (conditions if isinstance(conditions, list) else ())
    )
    return not (
        is_over
        or spec.get("suspend") is True
        or spec.get("replicas") == 0
        or status.get("desiredNumberScheduled") == 0
        or (item.get("kind") == "Pod" and status.get("phase") in ("Succeeded", "Failed"))
    )
