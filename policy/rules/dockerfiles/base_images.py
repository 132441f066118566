"""DKF: images that a Dockerfile begins with or copies from, against the registries that the policy allows."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator

from kmodgate.policy.cluster.facts import Facts, as_map, metadata_of
from kmodgate.policy.findings import Problem
from kmodgate.policy.formats.dockerfiles import Dockerfile, variables
from kmodgate.policy.formats.image_references import is_from
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.builds.base_images import base_images, filled
from kmodgate.policy.views.builds.build import Build, arguments_given, builds
from kmodgate.policy.views.builds.dockerfile import KEY, dockerfile_of


@rule("DKF104", kinds=("ConfigMap",), facts=True, guards=True, parameter="allowed_registries",
      needs=lambda review: review.dockerfile)  # fmt: skip
def base_image_not_allowed(review: Review) -> Iterator[Problem]:
    """A Dockerfile takes an image from a registry that the policy does not allow (`parameters.allowedRegistries`).

    This is about FROM, `COPY --from` and `RUN --mount=from`. A variable counts with the default of its ARG; where a
    Module gives it another value, DKF108 looks at that one. Names of stages, `scratch`, and variables that nobody has
    given a value, `DTK_AUTO` among them, are no images of a registry.

    Fix: mirror the image into an allowed registry, and name it there, or have the registry allowed.
    Source: the DriverPolicy of the cluster.
    """
    found = review.dockerfile
    if found is None:
        return
    metadata = metadata_of(review.object)
    modules = review.known.listing("Module", str(metadata.get("namespace", ""))).objects
    given = set(arguments_given(modules, str(metadata.get("name"))))
    allowed = review.parameters.allowed_registries
    for image, line, _ in base_images(found):
        uses = list(variables(image, found.escape))
        if any(item.name in given for item in uses):
            continue
        name = filled(image, uses, found.arguments)
        if name and not any(is_from(name, prefix) for prefix in allowed):
            message = f"{name} is not from an allowed registry"
            yield Problem(("data", KEY), message, f"use one of: {', '.join(allowed)}", line=line)


@rule("DKF108", kinds=MODULE_KINDS, facts=True, guards=True, parameter="allowed_registries")  # fmt: skip
def base_image_by_argument_not_allowed(review: Review) -> Iterator[Problem]:
    """A build argument makes a Dockerfile take an image from a registry that the policy does not allow.

    Fix: mirror the image into an allowed registry, and name it there, or have the registry allowed.
    Source: the DriverPolicy of the cluster (`parameters.allowedRegistries`).
    """
    allowed = review.parameters.allowed_registries
    told: set[tuple[str | int, ...]] = set()
    for build in builds(review.module):
        found = _dockerfile_of(build, review.known, review.module.metadata.text("namespace"))
        if found is None:
            continue
        for image, *_ in base_images(found):
            uses = list(variables(image, found.escape))
            name = filled(image, uses, ChainMap(build.values, found.arguments))
            given = next((item.name for item in uses if item.name in build.values), None)
            if given is None or not name or any(is_from(name, prefix) for prefix in allowed):
                continue
            path = (*build.arguments[given], "value")
            if path not in told:
                told.add(path)
                message = f"{name}, which {given} names in the Dockerfile, is not from an allowed registry"
                yield Problem(path, message, f"use one of: {', '.join(allowed)}")


def _dockerfile_of(build: Build, facts: Facts, namespace: str) -> Dockerfile | None:
    found = facts.find("ConfigMap", namespace, build.config_map)
    return dockerfile_of(as_map(found)) if build.config_map else None
