"""The Image Management Service (IMS) of a cluster, as far as objects tell: its release, and the environment it runs in.

Sources: kubernetes/cray-ims of Cray-HPE/ims and charts/cray-service of Cray-HPE/base-charts (labels, `envFrom`); the
field `envFrom` of a Container in the API of Kubernetes: the last source of a key wins, and `env` wins over all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kmodgate.policy.cluster.facts import Facts, Object, as_map, metadata_of
from kmodgate.policy.ims.given_records import SERVICES, is_record
from kmodgate.policy.ims.settings import CONFIG_MAP, KNOWN_KEYS, OVERLAY, is_expression
from kmodgate.policy.ims.templates import HOLDERS, SITE_SUFFIX
from kmodgate.policy.ims.versions import ImsRelease, UnknownReleaseError, ims_release
from kmodgate.policy.lazy import lazy, lazy_regex

DEPLOYMENT = "cray-ims"
TEMPLATES = "cray-configmap-ims-v2-image-"
"""How the names of the ConfigMaps with job templates begin."""

_IMAGE = lazy_regex(r"(?:^|/)cray-ims(?:-service)?(?::v?([0-9]+\.[0-9]+\.[0-9]+)[^/]*)?$")
_CHART = lazy_regex(r"cray-ims-([0-9]+\.[0-9]+\.[0-9]+).*")
_OWN_KEYS = {key for key in KNOWN_KEYS if key.startswith(("JOB_", "DEFAULT_IMS_", "S3_IMS_"))}
_FEWEST_KEYS = 2


class ImsSite:
    """What is known of the service beside an object: by facts, and by the version that somebody states."""

    def __init__(self, object: Object, facts: Facts | None, version: str = "") -> None:
        self._object = object
        self._facts = facts
        self._version = version

    @lazy
    def name(self) -> str:
        """The name of the object."""
        return str(metadata_of(self._object).get("name", ""))

    @lazy
    def namespace(self) -> str:
        """The namespace of the service: the object's own, if it is one of the service."""
        kind = self._object.get("kind")
        own = metadata_of(self._object).get("namespace") if kind in ("ConfigMap", "Deployment") else None
        return own if isinstance(own, str) and own else SERVICES

    @lazy
    def deployment(self) -> Object | None:
        """The Deployment of the service, if it is known."""
        return self._find("Deployment", DEPLOYMENT)

    @lazy
    def container(self) -> Mapping[str, Any]:
        """The container of the service: the one that is called so, or else the one with its image."""
        template = as_map(as_map(as_map(self.deployment).get("spec")).get("template"))
        containers = as_map(template.get("spec")).get("containers")
        found = [as_map(item) for item in containers] if isinstance(containers, list) else []
        named = [item for item in found if item.get("name") == DEPLOYMENT]
        return next(iter((*named, *(item for item in found if _IMAGE.search(str(item.get("image", "")))))), {})

    @lazy
    def version(self) -> str:
        """The version that somebody states, or that the Deployment's image or chart has; empty if nobody knows."""
        if self._version:
            return self._version
        image = _IMAGE.search(str(self.container.get("image", "")))
        if image and image[1]:
            return image[1]
        labels = as_map(metadata_of(self.deployment).get("labels"))
        chart = _CHART.fullmatch(str(labels.get("helm.sh/chart", "")))
        return chart[1] if chart else ""

    @lazy
    def release(self) -> ImsRelease | None:
        """The release; None where nobody knows it, or where it is not in the table."""
        try:
            return ims_release(self.version) if self.version else None
        except UnknownReleaseError:
            return None

    @lazy
    def templates(self) -> list[Object]:
        """The ConfigMaps of job templates beside the object, as far as they are known."""
        names = (f"{name}{suffix}" for suffix in ("", SITE_SUFFIX) for name in HOLDERS)
        found = (self._find("ConfigMap", name) for name in names if name != self.name)
        return [item for item in found if item is not None]

    @lazy
    def is_replaced(self) -> bool:
        """Whether the object has a counterpart of kmodgate's own, which the service mounts in its place."""
        return self._find("ConfigMap", f"{self.name}{SITE_SUFFIX}") is not None

    @lazy
    def sources(self) -> tuple[str, ...]:
        """The ConfigMaps that the environment is made of, the last of which wins."""
        listed = self.container.get("envFrom")
        if not isinstance(listed, list):
            return (CONFIG_MAP, OVERLAY)
        references = (as_map(item) for item in listed)
        names = (as_map(item.get("configMapRef")).get("name") for item in references if not item.get("prefix"))
        return tuple(name for name in names if isinstance(name, str))

    @lazy
    def explicit(self) -> frozenset[str]:
        """The variables that the container states itself, whatever its ConfigMaps say."""
        listed = self.container.get("env")
        return frozenset(str(as_map(item).get("name")) for item in listed) if isinstance(listed, list) else frozenset()

    @lazy
    def is_config(self) -> bool:
        """Whether the object is a ConfigMap with settings of the service."""
        if self._object.get("kind") != "ConfigMap":
            return False
        return self.name in (CONFIG_MAP, OVERLAY, *self.sources) or self.has_its_keys

    @lazy
    def has_its_keys(self) -> bool:
        """Whether the object has several keys that only this service reads."""
        return len(_OWN_KEYS & as_map(self._object.get("data")).keys()) >= _FEWEST_KEYS

    @lazy
    def _config_maps(self) -> dict[str, Object]:
        names = (*self.sources, self.name) if self.is_config and not self.container else self.sources
        found = ((name, self._find("ConfigMap", name)) for name in names)
        return {name: item for name, item in found if item is not None}

    @lazy
    def is_known(self) -> bool:
        """Whether some of the environment is known."""
        return bool(self._config_maps)

    @lazy
    def environment(self) -> dict[str, str]:
        """The settings that the service works with, as far as their ConfigMaps are known; none that is unresolved."""
        return {key: text for key, (_, text) in self._winners.items() if key not in self.unresolved}

    @lazy
    def unresolved(self) -> frozenset[str]:
        """The keys whose text is an expression of the site's customizations, so that nobody knows their value.

        In an object that was read from a cluster nothing is going to resolve it.
        """
        found = ((key, self._config_maps[name], text) for key, (name, text) in self._winners.items())
        return frozenset(key for key, item, text in found if is_unresolved(item, text))

    @lazy
    def _winners(self) -> dict[str, tuple[str, str]]:
        texts = (
            (key, (name, text or ""))
            for name, item in self._config_maps.items()
            for key, text in as_map(item.get("data")).items()
            if isinstance(text, str | None) and key not in self.explicit
        )
        return dict(texts)

    def is_overridden(self, key: str) -> str:
        """Return what keeps a key of the object from having an effect: a later source, or the container; or empty."""
        if key in self.explicit:
            return f"`env` of Deployment {DEPLOYMENT}"
        winner, _ = self._winners.get(key, ("", ""))
        return f"ConfigMap {winner}" if winner and self.name in self._config_maps and winner != self.name else ""

    def _find(self, kind: str, name: str) -> Object | None:
        if self._object.get("kind") == kind and self.name == name:
            return self._object
        places = (self.namespace, "") if self._facts else ()
        found = (self._facts.find(kind, place, name) for place in places)  # type: ignore[union-attr]
        return next((item for item in found if isinstance(item, Mapping)), None)


def is_unresolved(config_map: Object, text: str) -> bool:
    """Whether a text of a ConfigMap is an expression that the site's customizations resolve before it is applied."""
    return is_expression(text) and "resourceVersion" not in metadata_of(config_map)


def concerns_ims(value: Object) -> bool:
    """Whether an object belongs to the service, so that rules about it want to know of all the others."""
    kind, name = str(value.get("kind", "")), str(metadata_of(value).get("name", ""))
    if kind == "ConfigMap":
        has_a_key = not as_map(value.get("data")).keys().isdisjoint(KNOWN_KEYS)
        return has_a_key or name.startswith(TEMPLATES) or name in (CONFIG_MAP, OVERLAY)
    return (kind, name) == ("Deployment", DEPLOYMENT) or is_record(value)


def are_of_several_sites(values: Iterable[Object]) -> bool:
    """Whether objects of the service stand more than once among some, so that these are of several clusters."""
    met: set[tuple[str, ...]] = set()
    for value in values:
        metadata = metadata_of(value)
        key = (str(value.get("kind")), str(metadata.get("namespace", "")), str(metadata.get("name", "")))
        if key[2] and concerns_ims(value):
            if key in met:
                return True
            met.add(key)
    return False
