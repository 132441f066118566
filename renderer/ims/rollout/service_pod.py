"""The pod of the service, and the environment that ConfigMaps give it.

Sources: EnvFromSource and EnvVar of the Kubernetes API: the last source of a key wins, and an entry of `env` over all.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any

from kmodgate.policy.cluster.facts import Object, as_map, metadata_of
from kmodgate.policy.cluster.ims_site import DEPLOYMENT
from kmodgate.policy.data_class import dataclass
from kmodgate.renderer.ims.rollout.given_state import GivenState, items, moment, name_of, texts


@dataclass(frozen=True)
class ServicePod:
    pod: Object
    state: GivenState

    @property
    def name(self) -> str:
        return name_of(self.pod)

    @property
    def annotations(self) -> dict[str, str]:
        return texts(metadata_of(self.pod).get("annotations"))

    @property
    def is_ready(self) -> bool | None:
        """Whether the container is ready, by its status or by the condition of the pod; None where neither says so."""
        if isinstance(self._status.get("ready"), bool):
            return self._status["ready"] is True
        conditions = items(as_map(self.pod.get("status")).get("conditions"))
        return next((item.get("status") == "True" for item in conditions if item.get("type") == "Ready"), None)

    @property
    def started(self) -> datetime | None:
        return moment(as_map(as_map(self._status.get("state")).get("running")).get("startedAt"))

    @property
    def sources(self) -> list[str]:
        """The names of the ConfigMaps and Secrets of the environment, in order."""
        return [str(as_map(item.get("configMapRef") or item.get("secretRef")).get("name")) for item in self._references]

    @property
    def settings(self) -> dict[str, str] | None:
        """The environment, secrets and ConfigMaps that are not in the dump apart; None where none of these is."""
        settings: dict[str, str] = {}
        if self._config_maps and len(self.missing) == len(self._config_maps):
            return None
        for reference in self._references:
            found = self.config(as_map(reference.get("configMapRef")).get("name"))
            prefix = str(reference.get("prefix") or "")
            settings |= {prefix + key: text for key, text in texts(as_map(found).get("data")).items()}
        for item in items(self._container.get("env")):
            if isinstance(item.get("value"), str):
                settings[str(item.get("name"))] = item["value"]
        return settings

    @property
    def missing(self) -> list[str]:
        """The ConfigMaps of the environment that are not in the dump."""
        return [name for name in self._config_maps if self.config(name) is None]

    @property
    def _config_maps(self) -> list[str]:
        references = (as_map(item.get("configMapRef")) for item in self._references)
        return [str(reference.get("name")) for reference in references if reference]

    def config(self, name: Any) -> Object | None:
        """Return a ConfigMap of the pod's namespace, as the dump has it."""
        namespace = metadata_of(self.pod).get("namespace")
        found = (item for item in self.state.objects("ConfigMap") if name_of(item) == name)
        return next((item for item in found if metadata_of(item).get("namespace", namespace) == namespace), None)

    @cached_property
    def _container(self) -> Object:
        return _named(as_map(self.pod.get("spec")).get("containers"))

    @property
    def _references(self) -> list[Object]:
        return items(self._container.get("envFrom"))

    @property
    def _status(self) -> Object:
        return _named(as_map(self.pod.get("status")).get("containerStatuses"))


def service_pods(state: GivenState) -> list[ServicePod]:
    """Return the pods with the service's container that neither have ended nor are being deleted."""
    return [
        ServicePod(pod, state)
        for pod in state.objects("Pod")
        if _named(as_map(pod.get("spec")).get("containers"))
        and not metadata_of(pod).get("deletionTimestamp")
        and as_map(pod.get("status")).get("phase") not in ("Succeeded", "Failed")
    ]


def _named(containers: Any) -> Object:
    """Return the item of the service's container; an empty one where there is none."""
    return next((item for item in items(containers) if item.get("name") == DEPLOYMENT), {})
