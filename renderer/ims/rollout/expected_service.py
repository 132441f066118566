"""What the running service is expected to have: of a handover, of a rendered tree, or of ConfigMaps alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Any, NoReturn

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.cluster.ims_site import DEPLOYMENT
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding, value_at
from kmodgate.policy.formats.object_files import Source, Wrapped
from kmodgate.policy.ims.settings import CONFIG_MAP, OVERLAY, is_expression
from kmodgate.renderer.check.inputs.object_inputs import files_below, read_objects
from kmodgate.renderer.compile.image_services.fragment import CHECKSUM, CONTAINER
from kmodgate.renderer.compile.image_services.service import LEFT_TO_SITE
from kmodgate.renderer.errors import Refused, Unusable, refuse_enforced
from kmodgate.renderer.ims.rollout.given_state import description, items, name_of, texts
from kmodgate.renderer.wording import listed

_CUSTOMIZATIONS, _OTHER = "Customizations", "Other"
_MOST_SHOWN = 5
_TEMPLATE = ("spec", "template", "metadata", "annotations")
"""Where the rendered part of the Deployment has the checksum, for owner argocd."""


@dataclass
class ExpectedService:
    """`sources` are the ConfigMaps of the environment, in order; the last one that has a key wins."""

    sources: list[str] = field(default_factory=lambda: [CONFIG_MAP])
    settings: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    """Of the pod."""
    files: dict[str, str] = field(default_factory=dict)
    """The files of ConfigMaps that a site applies itself, by name."""


def read_expected(paths: Iterable[str]) -> ExpectedService:
    """Read files and folders, that of a handover above all. Raises Unusable where no ims-config is in them."""
    findings: list[Finding] = []
    files = [name for path in paths for name in files_below(path)]
    read = [source for name in files for source in read_objects(name, findings, others=_handover_file)]
    refuse_enforced(findings, outcome="nothing was compared")
    sources = [source.value for source in read]
    configs = {name_of(item): item for item in sources if item["kind"] == "ConfigMap"}
    if CONFIG_MAP not in configs:
        _refuse(files, read)
    own = [source.file for source in read if name_of(source.value) == OVERLAY]
    expected = ExpectedService(files={OVERLAY: own[0]} if own else {})
    annotations = texts(metadata_of(configs[CONFIG_MAP]).get("annotations"))
    left = annotations.get(LEFT_TO_SITE, "").split(",")
    for name in (CONFIG_MAP, OVERLAY):
        data = texts(as_map(configs.get(name, {})).get("data"))
        expected.settings |= {key: text for key, text in data.items() if key not in left and not is_expression(text)}
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


def _refuse(files: list[str], read: list[Source]) -> NoReturn:
    """Say what is there instead of an ims-config, with its place."""
    fix = f"give handover/CLUSTER/cray-ims, or a file with the ConfigMap {CONFIG_MAP}"
    findings = [
        Finding(
            "SCH102",
            f"is {description(source.value)}, and --expected needs the ConfigMap {CONFIG_MAP}",
            fix, file=source.file, line=source.position(())[0], column=source.position(())[1],
        )
        for source in read[:_MOST_SHOWN]
    ]  # fmt: skip
    if findings:
        raise Refused(findings, outcome="nothing was compared")
    raise Unusable(f"--expected {listed(files, 3)}: holds nothing", fix)


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
