"""What a DriverPolicy asks for with its parameters; without them these rules hold nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from kmodgate.policy.cluster.operator_images import RUNNING_KINDS
from kmodgate.policy.findings import FieldPath, Problem
from kmodgate.policy.formats.image_references import is_from, parse_image
from kmodgate.policy.kmm.kinds import MACHINE_CONFIG, MODULE_KINDS, WITH_IMAGES
from kmodgate.policy.review import Review
from kmodgate.policy.rule import TOO_MANY_MAPPINGS, rule
from kmodgate.policy.rules.parameters.signing_scope import unknown_nodes

_KINDS = (*MODULE_KINDS, *WITH_IMAGES, MACHINE_CONFIG, *RUNNING_KINDS)


@rule("IMG301", kinds=_KINDS, parameter="allowed_registries")
def registry_not_allowed(review: Review) -> Iterator[Problem]:
    """An image from a registry that the policy does not allow (`parameters.allowedRegistries`).

    Judged are the images of drivers, of the Jobs that kmodgate renders, and of KMM's operator: the images that it runs
    and those that it names by `RELATED_IMAGE_…`, which load, build and sign for it.

    Fix: mirror the image into an allowed registry, or have the registry allowed.
    Source: the DriverPolicy of the cluster.
    """
    allowed = review.parameters.allowed_registries
    for path, image in _images(review):
        if not any(is_from(image, prefix) for prefix in allowed):
            message, fix = f"{image} is not from an allowed registry", f"use one of: {', '.join(allowed)}"
            cause = "" if parse_image(image) else "IMG104"
            yield Problem(path, message, fix, line=review.line_of(path, image), told_by=cause)


@rule("IMG302", kinds=_KINDS, parameter="require_digest")
def digest_required(review: Review) -> Iterator[Problem]:
    """An image that is not built and not named by digest, though the policy asks for it (`parameters.requireDigest`).

    Fix: append the digest: `@sha256:…`.
    Source: the DriverPolicy of the cluster.
    """
    works = {level.path for level in review.module.levels if "build" in level.value or "sign" in level.value}
    for path, image in _images(review):
        is_made = path[-1] == "containerImage" and (review.module.container.path in works or path[:-1] in works)
        is_made |= review.is_tagged_later(path, image)  # whose image is another one for each kernel
        parsed = parse_image(image)
        if parsed and not parsed.digest and not is_made:
            message, fix = f"{image} is not named by digest", "append @sha256:… of the image that was tested"
            yield Problem(path, message, fix, line=review.line_of(path, image))


@rule("PLG201", parameter="forbidden_host_paths")
def host_path_forbidden(review: Review) -> Iterator[Problem]:
    """A volume mounts a folder of the node that the policy forbids (`parameters.forbiddenHostPaths`).

    Fix: mount another folder, or have this one allowed.
    Source: the DriverPolicy of the cluster.
    """
    forbidden = [posixpath.normpath(path) for path in review.parameters.forbidden_host_paths]
    for volume in review.module.volumes:
        mount = volume.optional("hostPath")
        path = posixpath.normpath(re.sub("^/+", "/", mount.text("path"))) if mount else ""
        if mount and any(path == item or path.startswith(f"{item.rstrip('/')}/") for item in forbidden):
            yield mount.problem("path", f"{mount.text('path')} is forbidden by the policy", "mount another folder")


@rule(TOO_MANY_MAPPINGS, parameter="max_mappings")
def too_many_mappings(review: Review) -> Iterator[Problem]:
    """A Module with more kernel mappings than the policy allows (`parameters.maxMappings`, 1,000 without one).

    Each has an expression that is compiled whenever the Module is looked at, and KMM tries one after the other. Where
    this refuses a Module, no other rule is asked about it.

    Fix: match several kernels with one regexp, or split the Module by nodes.
    Source: the DriverPolicy of the cluster; internal/module/kernelmapper.go of Kernel Module Management.
    """
    if not review.has_too_many_mappings:
        return
    count = len(review.module.container.value["kernelMappings"])
    message = f"{count} mappings, and the policy allows {review.parameters.max_mappings}"
    yield review.module.container.problem("kernelMappings", message, "match several kernels with one regexp")


@rule("SEL206", kinds=("Module",), facts=True, guards=True, parameter="max_node_share")
def too_many_nodes(review: Review) -> Iterator[Problem]:
    """A Module that selects a larger share of the cluster's nodes than the policy allows (`parameters.maxNodeShare`).

    One node is always allowed, and so is every node of a cluster that has no other. At admission it is refused also
    where the nodes are not known.

    Fix: select fewer nodes, by a label for those that are to have the driver first.
    Source: the DriverPolicy of the cluster.
    """
    nodes, share = review.placement.nodes, review.parameters.max_node_share
    spec = review.module.spec
    if review.is_upkeep:  # a controller that finishes with a Module decides nothing about its nodes
        return
    if nodes is None:
        yield unknown_nodes(review, "what share of the nodes it selects")
        return
    selected = len(review.placement.selected)
    if selected > 1 and selected * 100 > len(nodes) * share:
        message = f"selects {selected} of {len(nodes)} nodes, and the policy allows {share} percent"
        yield spec.problem("selector", message, "select fewer nodes")


def _images(review: Review) -> Iterator[tuple[FieldPath, str]]:
    yield from review.module.images
    yield from review.module.unsigned_images
    yield from review.module.pod_images
    yield from review.other_images
