"""The comments of a written spec: what a person should look at before it is committed."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import FieldPath, Finding, Mode
from kmodgate.policy.formats.yaml_documents import Document, Json
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.planning import EVERYWHERE, Plan
from kmodgate.renderer.importer.verifying import Verdict
from kmodgate.renderer.wording import listed

Comment = tuple[int, str]
"""The line above which it goes, and its text."""


def cluster_comments(document: Document, plan: Plan, verdict: Verdict, *, placeholder: bool) -> Iterator[Comment]:
    """What nobody has said of a new cluster."""
    reviews: dict[FieldPath, str] = {
        ("metadata", "labels"): "review: those by which drivers of its hub select it; give those of the ManagedCluster",
        ("spec", "platform"): "review: as far as the objects tell; openshift or kubernetes",
        ("spec", "kmm"): "review: the newest KMM, unless you say which one the cluster has",
        ("spec", "nodeGroups"): "review: the nodes of the dump, or those that DaemonSets select; one for every kernel",
    }
    if document.has(("spec", "kmm", "install")):
        reviews["spec", "kmm"] = "review: installed already, by the objects; render pins this version"
    if _name(document) in plan.unknown_platforms:
        reviews["spec", "platform"] = "review: unknown, no object tells it; say openshift or kubernetes"
    reviews = {path: text for path, text in reviews.items() if document.has(path)}
    if placeholder:
        reviews["metadata", "name"] = "review: stands for the clusters of the objects; give it its name"
    if others := verdict.joined.get(_name(document)):
        text = f"review: drivers that the fleet had select this cluster, too: {listed(others)}"
        yield document.key_position(("metadata", "name"))[0], text
    for path, text in reviews.items():
        yield document.key_position(path)[0], text


def driver_comments(document: Document, plan: Plan, verdict: Verdict) -> Iterator[Comment]:
    """What was lost, and what the objects left open."""
    for path, text in (*_heading(document, plan, verdict), *_open_questions(document, verdict)):
        yield document.key_position(path)[0], text


def finding_comment(finding: Finding) -> Comment:
    """What render says of a line, since check will say it again."""
    refused = "render refuses this: " if finding.mode is Mode.ENFORCE else ""
    return max(finding.line, 2), f"review: {refused}{finding.message} ({finding.rule}); {finding.fix}"


def _heading(document: Document, plan: Plan, verdict: Verdict) -> Iterator[tuple[FieldPath, str]]:
    name, spaces = _name(document), {str(space["name"]) for _, space in _namespaces(document) if "name" in space}
    lost = [item for item in plan.lost if item.object in plan.titles[name]]
    others = [item for item in plan.lost if item.rule == "IMP004" and item not in lost]
    around = [item for item in others if _space_of(item.object) in spaces]
    if lost or around:
        kinds = listed(sorted({title.partition(" ")[0] for title in plan.titles[name]}))
        yield ("apiVersion",), f"Not carried over from the {kinds}{', and from what is around it' if around else ''}:"
    for item in lost:
        title = f"{item.object}: " if len(plan.titles[name]) > 1 else ""
        yield ("apiVersion",), f"- {title}{item.field}: {item.message.removeprefix('not carried over: ')}"
    for item in around:
        yield ("apiVersion",), f"- {item.object}: {item.field}: {item.message.removeprefix('not carried over: ')}"
    if verdict.besides.get(name):
        made = listed(verdict.besides[name])
        yield ("apiVersion",), f"review: render also makes what was not among the objects: {made}"


def _space_of(object: str) -> str:
    """The namespace of an object by its title; a Namespace is its own."""
    kind, _, name = object.partition(" ")
    return name if kind == "Namespace" else name.partition("/")[0] if "/" in name else ""


def _namespaces(document: Document) -> Iterator[tuple[FieldPath, JsonMap]]:
    """Where the spec and its overrides say a namespace."""
    spec = document.value["spec"]  # type: ignore[index,call-overload]
    assert isinstance(spec, dict)
    places: list[tuple[FieldPath, Json]] = [(("spec",), spec)]
    overrides = spec.get("overrides")
    for index, item in enumerate(overrides if isinstance(overrides, list) else ()):
        places.append((("spec", "overrides", index, "patch"), item.get("patch") if isinstance(item, dict) else None))
    for path, level in places:
        space = level.get("namespace") if isinstance(level, dict) else None
        if isinstance(space, dict):
            yield (*path, "namespace"), space


def _open_questions(document: Document, verdict: Verdict) -> Iterator[tuple[FieldPath, str]]:
    spec = document.value["spec"]  # type: ignore[index,call-overload]
    assert isinstance(spec, dict)
    if spec["clusters"] == EVERYWHERE:
        yield ("spec", "clusters"), "review: every cluster of the fleet; select those that are to have it"
    for path, space in _namespaces(document):
        if space.get("manage") is False:
            text = "review: the Namespace was not among the objects, or is the system's; true makes render write it"
            yield (*path, "manage"), text
        elif space.get("name") in verdict.privileged:
            yield (*path, "name"), "review: render makes the namespace privileged for Pod Security, which it is not yet"
    for path in _without_account(spec):
        yield path, "as the Module has it: no ServiceAccount, so the namespace's default one is used"
    if "attach" in spec:
        yield ("spec", "attach"), "review: what was found around the Module; other drivers may use it, too"


def _without_account(spec: JsonMap) -> Iterator[FieldPath]:
    for keys in ((), ("devicePlugin",), ("dra",)):
        level = spec.get(keys[0]) if keys else spec
        if isinstance(level, dict) and level.get("serviceAccountName") == "":
            yield ("spec", *keys, "serviceAccountName")


def _name(document: Document) -> str:
    return str(document.value["metadata"]["name"])  # type: ignore[index,call-overload]
