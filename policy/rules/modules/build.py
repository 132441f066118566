"""BLD: build settings that KMM drops, overwrites or shows to everybody."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.dump import secret_value
from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.cluster.redaction import registries_in
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.kmm.versions import asks_for_nothing
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import kept
from kmodgate.policy.present import BUILD_ARGUMENTS, BUILDS, MADE
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.builds.dockerfile import BUILD_ARGUMENTS as GIVEN_BY_KMM
from kmodgate.policy.views.module import ModuleView

_SECRET = lazy_regex(
    r"(?i)(?:^|[_-])(?:password|passwd|secret|token|apikey|api[_-]key|credentials?|private[_-]?key)(?:$|[_-])"
)


@rule("BLD101", severity=Severity.WARNING, needs=BUILD_ARGUMENTS)
def reserved_argument(review: Review) -> Iterator[Problem]:
    """A build argument of a name that KMM sets itself; its value is overwritten.

    Fix: choose another name, or remove it and use what KMM sets.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    for build, index, name in review.module.build_arguments:
        if name in GIVEN_BY_KMM:
            path = (*build.path, "buildArgs", index, "name")
            yield Problem(path, f"KMM sets {name} itself", "choose another name")


@rule("BLD102", severity=Severity.WARNING, needs=BUILD_ARGUMENTS)
def secret_in_an_argument(review: Review) -> Iterator[Problem]:
    """A build argument that seems to hold a secret. Arguments stand in git, in build pods and in the image.

    Fix: put it into a Secret, and name that in `secrets`: the build finds it below /run/secrets.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    for build, index, name in review.module.build_arguments:
        if _is_secret(name) and build.value["buildArgs"][index].get("value"):
            message = f"{name} would be visible to everybody who may read the Module"
            path = (*build.path, "buildArgs", index, "name")
            yield Problem(path, message, "put it into a Secret, and name that in build.secrets")


@kept
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


@rule("BLD103", severity=Severity.WARNING, needs=MADE)
def dropped_setting(review: Review) -> Iterator[Problem]:
    """A setting of a mapping's `build` or `sign` that KMM drops because the container has such a block, too.

    Only Dockerfile, arguments, secrets, keys, files and unsignedImage of a mapping are merged; selector, registry TLS
    and kaniko settings are the container's.

    Fix: move the setting to the container, or the whole block to the mappings.
    Source: internal/module/kernelmapper.go of Kernel Module Management.
    """
    container = review.module.container
    settings = {"build": ("selector", "baseImageRegistryTLS", "kanikoParams"), "sign": ("unsignedImageRegistryTLS",)}
    for block, keys in settings.items():
        if not container.optional(block):
            continue
        for mapping in review.module.mappings:
            part = mapping.part.map(block) if block in mapping.part.value else mapping.part
            for key in keys if part is not mapping.part else ():
                given = part.value.get(key)
                if not asks_for_nothing(given) and given != container.map(block).value.get(key):
                    fix = f"move it to the container's {block}"
                    yield part.problem(key, f"dropped: the container has a {block} block of its own", fix)


@rule("BLD105", needs=BUILDS)
def dockerfile_without_a_name(review: Review) -> Iterator[Problem]:
    """A `dockerfileConfigMap` that names no ConfigMap. KMM accepts it, and no build ever starts.

    Fix: name the ConfigMap that holds the Dockerfile under the key `dockerfile`.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    for build in review.module.builds:
        part = build.optional("dockerfileConfigMap")
        if part is not None and not part.text("name"):
            yield part.problem("name", "names no ConfigMap", "name the one that holds the Dockerfile")


@rule("BLD104", severity=Severity.INFO, needs=BUILDS)
def build_anywhere(review: Review) -> Iterator[Problem]:
    """A build that may run on any node. On a cluster of several architectures it may end up on the wrong one.

    Fix: add `selector: {kubernetes.io/arch: amd64}` to build.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    common = review.module.container.map("build")
    for build in review.module.builds:
        if not build.value.get("selector") and not common.value.get("selector"):
            yield Problem(build.path, "may run on any node", "add selector: {kubernetes.io/arch: …}")


@rule("BLD106", kinds=("Module",), facts=True, severity=Severity.WARNING, needs=MADE)
def push_without_the_builders_credentials(review: Review) -> Iterator[Problem]:
    """`imageRepoSecret` beside an image that is pushed into OpenShift's own registry: the push is refused.

    The Secret takes the place of the credentials that the builder's ServiceAccount has for that registry. A Secret that
    holds credentials for it, too, is fine.

    Fix: remove imageRepoSecret, or add the registry's credentials to the Secret.
    Source: documentation of Red Hat's Kernel Module Management, building kmod images.
    """
    module = review.module
    name = module.spec.map("imageRepoSecret").text("name")
    pushed = {image for image in _pushed(module) if image.startswith(_OWN_REGISTRIES)}
    if not name or not pushed:
        return
    secret = as_map(review.known.find("Secret", module.metadata.text("namespace"), name))
    if not any(item in _OWN_REGISTRIES for item in registries_in(secret_value(secret, ".dockerconfigjson"))):
        message = (
            f"takes the place of the builder's credentials for {min(pushed).partition('/')[0]}: the push is refused"
        )
        fix = "remove it, or add the credentials of that registry to the Secret"
        yield module.spec.problem("imageRepoSecret", message, fix)


_OWN_REGISTRIES = (
    "image-registry.openshift-image-registry.svc:5000",
    "image-registry.openshift-image-registry.svc.cluster.local:5000",
    "image-registry.openshift-image-registry.svc",
)


def _pushed(module: ModuleView) -> Iterator[str]:
    """The images that are built or signed in the cluster."""
    common = {key for key in ("build", "sign") if module.container.optional(key)}
    for mapping in module.mappings:
        if common or any(mapping.part.optional(key) for key in ("build", "sign")):
            yield mapping.image
