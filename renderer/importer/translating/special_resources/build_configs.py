"""BuildConfigs of OpenShift → the images that they push, and builds of a Module that make the same.

Source: build.openshift.io/v1, BuildConfig; image.openshift.io/v1, ImageStreamTag.
"""

from __future__ import annotations

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.importer.translating.draft import KERNEL_IN_TEXT, Draft, first_name, label_value

REGISTRY = "image-registry.openshift-image-registry.svc:5000"

_SPEC_FIELDS = {"source", "strategy", "output", "nodeSelector", "runPolicy", "triggers", "failedBuildsHistoryLimit",
                "successfulBuildsHistoryLimit", "postCommit", "resources", "serviceAccount"}  # fmt: skip
_SILENT = {"runPolicy", "triggers", "failedBuildsHistoryLimit", "successfulBuildsHistoryLimit"}
_STRATEGY: FieldPath = ("spec", "strategy", "dockerStrategy")


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """A BuildConfig that runs a Dockerfile."""

    found: Found

    @property
    def spec(self) -> JsonMap:
        return map_of(self.found.value.get("spec"))

    @property
    def image(self) -> str:
        """The image that is pushed; an ImageStreamTag by its name in the registry of the cluster."""
        to = map_of(map_of(self.spec.get("output")).get("to"))
        name = to.get("name")
        if not isinstance(name, str) or not name:
            return ""
        if to.get("kind") != "ImageStreamTag":
            return name
        space = to.get("namespace") or self.found.identity.namespace
        return f"{REGISTRY}/{space}/{name}"

    @property
    def dockerfile(self) -> str:
        """The text of the Dockerfile; empty where it stands in a git repository or an image."""
        text = map_of(self.spec.get("source")).get("dockerfile")
        return text if isinstance(text, str) else ""

    @property
    def strategy(self) -> JsonMap:
        return map_of(map_of(self.spec.get("strategy")).get("dockerStrategy"))

    @property
    def build_args(self) -> list[JsonMap]:
        """Names and values of the build arguments, the values as texts."""
        items = [map_of(item) for item in items_of(self.strategy.get("buildArgs"))]
        return [{"name": item.get("name"), "value": label_value(item.get("value"))} for item in items]

    @property
    def kernel(self) -> str:
        """The one kernel that the image is built for, as its tag or a build argument names it; empty for any."""
        places = (self.image, *(str(item["value"]) for item in self.build_args), self.dockerfile)
        return next((match[0] for text in places if (match := KERNEL_IN_TEXT.search(text))), "")


def build_configs(objects: Objects, namespace: str) -> list[BuildConfig]:
    """Return the BuildConfigs of a namespace that push an image."""
    found = [BuildConfig(item) for identity, item in objects.items()
             if (identity.kind, identity.namespace) == ("BuildConfig", namespace)]  # fmt: skip
    return [item for item in found if item.image]


def put_build(draft: Draft, config: BuildConfig, path: FieldPath) -> None:
    """Have the Module build at this level, a mapping's or the container's, what the BuildConfig builds."""
    found = config.found
    draft.used.append(found)
    if not config.dockerfile:
        message = "its Dockerfile is not in the object"
        fix = "copy the Dockerfile beside the spec, and write build: {dockerfile: ./FILE}"
        draft.lose(found, ("spec", "source"), message, fix)
        return
    build: JsonMap = {"dockerfileConfigMap": draft.dockerfile(config.dockerfile)}
    if config.build_args:
        build["buildArgs"] = list[Json](config.build_args)
    secrets = [map_of(map_of(item).get("secret")).get("name")
               for item in items_of(map_of(config.spec.get("source")).get("secrets"))]  # fmt: skip
    if secrets:
        build["secrets"] = [{"name": name} for name in secrets]
    if selector := config.spec.get("nodeSelector"):
        build["selector"] = selector
    draft.put_at((*path, "build"), build, found, ("spec",))
    draft.places[(*path, "build", "dockerfileConfigMap")] = (found, ("spec", "source", "dockerfile"))
    draft.places[(*path, "build", "buildArgs")] = (found, (*_STRATEGY, "buildArgs"))
    _lose_rest(draft, config)


def _lose_rest(draft: Draft, config: BuildConfig) -> None:
    """List what no build of a Module has."""
    found = config.found
    for key, item in config.spec.items():
        known = key in _SPEC_FIELDS and key not in ("postCommit", "resources", "serviceAccount")
        if not known and key not in _SILENT and item not in (None, "", {}, []):
            draft.lose(found, ("spec", key), "no build of KMM has it", "nothing, if the image is built without")
    for key in map_of(config.spec.get("source")).keys() - {"dockerfile", "type", "secrets"}:
        draft.lose(found, ("spec", "source", key), "a build of KMM has no files but its Dockerfile", "fetch them in it")
    for key in config.strategy.keys() - {"buildArgs", "pullSecret", "noCache", "imageOptimizationPolicy"}:
        draft.lose(found, (*_STRATEGY, key), "no build of KMM has it", "say it in the Dockerfile")
    for index, item in enumerate(config.build_args):
        if KERNEL_IN_TEXT.search(str(item["value"])) is None and str(item["value"]).partition("@")[2].startswith(
            "sha256:"
        ):
            message = f"{item['name']} is one release's image, as SRO found it"
            fix = "write ARG DTK_AUTO and FROM ${DTK_AUTO} for the driver toolkit: Red Hat's KMM fills it in"
            draft.lose(found, (*_STRATEGY, "buildArgs", index), message, fix)


def pull_secret(config: BuildConfig) -> str:
    """Return the Secret with which the image is pushed, or its base is pulled; empty where none is."""
    return first_name((map_of(config.spec.get("output")).get("pushSecret"), config.strategy.get("pullSecret")))
