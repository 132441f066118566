"""What the running service is expected to have: of a handover, of a rendered tree, or of ConfigMaps alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.cluster.ims_site import DEPLOYMENT
from kmodgate.policy.findings import Finding, value_at
from kmodgate.policy.formats.object_files import Wrapped
from kmodgate.policy.ims.settings import CONFIG_MAP, OVERLAY
from kmodgate.renderer.check.object_inputs import files_below, read_objects
from kmodgate.renderer.compile.image_services.fragment import CHECKSUM, CONTAINER
from kmodgate.renderer.compile.image_services.service import LEFT_TO_SITE
from kmodgate.renderer.errors import Unusable, refuse_enforced
from kmodgate.renderer.ims.rollout.given_state import items, name_of, texts

_CUSTOMIZATIONS, _OTHER = "Customizations", "Other"
_TEMPLATE = ("spec", "template", "metadata", "annotations")
"""Where the rendered part of the Deployment has the checksum, for owner argocd."""


@dataclass
class ExpectedService:
    """`sources` are the ConfigMaps of the environment, in order; the last one that has a key wins."""

    sources: list[str] = field(default_factory=lambda: [CONFIG_MAP])
    settings: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    """Of the pod."""


def read_expected(paths: Iterable[str]) -> ExpectedService:
    """Read files and folders, that of a handover above all. Raises Unusable where no ims-config is in them."""
    findings: list[Finding] = []
    sources = [
        source.value
        for path in paths
        for name in files_below(path)
        for source in read_objects(name, findings, others=_handover_file)
    ]
    refuse_enforced(findings, outcome="nothing was compared")
    expected = ExpectedService()
    configs = {name_of(item): item for item in sources if item["kind"] == "ConfigMap"}
    if CONFIG_MAP not in configs:
        fix = "give handover/CLUSTER/cray-ims, or a file with the ConfigMap ims-config"
        raise Unusable(f"--expected: no ConfigMap {CONFIG_MAP} in it", fix)
    annotations = texts(metadata_of(configs[CONFIG_MAP]).get("annotations"))
    left = annotations.get(LEFT_TO_SITE, "").split(",")
    for name in (CONFIG_MAP, OVERLAY):
        data = texts(as_map(configs.get(name, {})).get("data"))
        expected.settings |= {key: text for key, text in data.items() if key not in left and "{{" not in text}
    if OVERLAY in configs:
        expected.sources.append(OVERLAY)
    for found in (
        annotations,
        *(texts(value_at(item, _TEMPLATE, {})) for item in sources if name_of(item) == DEPLOYMENT),
    ):
        expected.annotations |= {key: text for key, text in found.items() if key == CHECKSUM}
    for item in sources:
        if item["kind"] == _CUSTOMIZATIONS:
            _add_customizations(item, expected)
    return expected


def _handover_file(value: Any) -> Wrapped:
    """Return a file of a handover that is no Kubernetes object: the fragment of customizations, or another one."""
    kind = _CUSTOMIZATIONS if isinstance(value, dict) and "kubernetes" in as_map(value.get("spec")) else _OTHER
    return Wrapped({"apiVersion": "v1", "kind": kind, "value": value}, ("value",))


def _add_customizations(item: dict[str, Any], expected: ExpectedService) -> None:
    path = ("value", "spec", "kubernetes", "services", DEPLOYMENT, "cray-service")
    service = as_map(value_at(item, path, {}))
    expected.annotations |= texts(service.get("podAnnotations"))
    references = items(value_at(service, ("containers", CONTAINER, "envFrom"), []))
    if references:
        expected.sources = [str(as_map(reference.get("configMapRef")).get("name")) for reference in references]
