"""Objects of a dump without what is secret in them, and with all that rules ask of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from kmodgate.policy.cluster.dump import KEY_FINGERPRINT, secret_value
from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.cluster.ims_site import TEMPLATES
from kmodgate.policy.formats.certificates import certificates_in
from kmodgate.policy.formats.kernel_module_names import BLACKLIST_ARGUMENT, configures_modprobe
from kmodgate.policy.ims.settings import CHECKSUM, CONFIG_MAP, OVERLAY
from kmodgate.policy.kmm.misnamed_kinds import meant_group
from kmodgate.policy.kmm.operator_config import CONFIG_MAPS
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.views.boot_config import boot_lines
from kmodgate.policy.views.builds.dockerfile import KEY

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KEPT_NAMES = (CONFIG_MAP, OVERLAY, "kmodgate-policy", *CONFIG_MAPS)
_KEPT_PREFIX = TEMPLATES
"""ConfigMaps whose values rules read: those of the Image Management Service and its templates, of KMM, and our own."""

_READ_ANNOTATIONS = (
    "kmodgate.io/", "io.katacontainers.", "openshift.io/node-selector", "openshift.io/sa.scc.",
    "scheduler.alpha.kubernetes.io/node-selector", "security.openshift.io/", CHECKSUM,
)  # fmt: skip
"""How the annotations begin whose values rules read: of kmodgate, Kata, namespaces, and the chart of IMS.

Not all of `openshift.io/`: `encoded-deployment-config` holds a whole object.
"""

_DOCKER = ".dockerconfigjson"


def redacted(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without what is secret, and the objects in it, as in a ManifestWork or a Policy, likewise.

    - Of a Secret stay its type, the names of its keys, certificates, the names of registries, and the fingerprint by
      which a key and its certificate are known to belong together; of what makes one (ExternalSecret, SealedSecret) the
      name of the Secret.
    - Of a ConfigMap stay its keys, and the Dockerfile that it holds; all values of the settings of KMM, of the Image
      Management Service and of kmodgate.
    - Of a MachineConfig stay the names of kernel arguments and what they blacklist, the paths of its files, the files
      that modprobe reads, and which kernel module out of which image its units load at boot.
    - Of kinds that no rule asks for, and of Events and builds, stay name, labels and owners.
    - Everywhere else the values of environment variables, of build arguments, of HTTP headers and paths of probes, of
      the attributes and options of volumes, of Helm, jsonnet and plugins of Argo CD, of parameters of devices, of
      patches and templates written as text, of generators of an ApplicationSet, of messages and of annotations become
      empty, and arguments and commands empty lists. Annotations that rules read keep their values; the one in which
      kubectl keeps what was applied goes, and so do credentials and queries in URLs.
    """
    result: dict[str, Any] = _without_values(item)
    return result


def _shallow(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object without the fields of its kind that are secret; what lies deeper in the others is not looked at."""
    kind = str(item["kind"])
    if kind == "Secret":
        return _secret(item)
    result = {key: value for key, value in item.items() if _is_kept(item, kind, key)}
    metadata = as_map(item.get("metadata"))
    if _APPLIED in as_map(metadata.get("annotations")):
        kept = {key: value for key, value in metadata["annotations"].items() if key != _APPLIED}
        result["metadata"] = {**metadata, "annotations": kept}
    if kind == "MachineConfig" and "spec" in result:
        result["spec"] = _of_machines(as_map(result["spec"]))
    if kind in _MAKERS:
        made = as_map(as_map(item.get("spec")).get(_MAKERS[kind]))
        result["spec"] = {_MAKERS[kind]: {key: made[key] for key in ("name", "metadata") if key in made}}
    return _without_texts(result) if kind == "ConfigMap" and not _is_read_by_rules(item) else result


def _is_kept(item: Mapping[str, Any], kind: str, key: str) -> bool:
    """Whether a field of the first level of an object stays."""
    if kind in (*_HEAD_ONLY, *_MAKERS) or not _is_asked_for(str(item.get("apiVersion", "")), kind):
        return key in _HEAD
    return not (kind in _WITHOUT_STATUS and key in ("status", "operation"))


def _without_texts(config_map: Mapping[str, Any]) -> dict[str, Any]:
    """A ConfigMap with its keys and its Dockerfile alone."""
    result = dict(config_map)
    for field in ("data", "binaryData"):
        if isinstance(values := result.get(field), Mapping):
            result[field] = {key: value if (field, key) == ("data", KEY) else "" for key, value in values.items()}
    return result


_HEAD = ("apiVersion", "kind", "metadata", "name", "namespace", "uid", "controller", "blockOwnerDeletion")
"""What stays of kinds that no rule asks for, and of what merely names an object, as `ownerReferences` does."""

_MAKERS = {"ExternalSecret": "target", "SealedSecret": "template"}
"""Kinds from which others make a Secret, and the field of their spec that names it."""

_WITHOUT_STATUS = ("Application", "AppProject", "InstallPlan", "ManifestWork")
"""Kinds whose status repeats whole objects, or holds tokens; so does the `operation` that Argo CD is asked for."""

_HEAD_ONLY = ("Event", "Build", "BuildConfig", "Template")
_GROUPS = (
    "admissionregistration.k8s.io", "apiextensions.k8s.io", "apps", "batch", "kmodgate.io",
    "node.k8s.io", "operators.coreos.com", "cluster.open-cluster-management.io", "policy.open-cluster-management.io",
    "rbac.authorization.k8s.io", "security.openshift.io", "work.open-cluster-management.io",
)  # fmt: skip
_KINDS = {
    "argoproj.io": ("Application", "ApplicationSet", "AppProject"),
    "config.openshift.io": ("ImageDigestMirrorSet", "ImageTagMirrorSet"),
    "hypershift.openshift.io": ("NodePool",),
    "machineconfiguration.openshift.io": ("MachineConfig", "MachineConfigPool"),
    "operator.openshift.io": ("ImageContentSourcePolicy",),
}
"""Groups of which rules and `import` read some kinds only: the others hold pull secrets and settings of logins."""


def _is_asked_for(version: str, kind: str) -> bool:
    """Whether rules may look at a kind of a group; the core group has no name."""
    group = version.rpartition("/")[0]
    if group in _KINDS:
        return kind in _KINDS[group]
    return not group or group in _GROUPS or bool(meant_group(group))


def _is_read_by_rules(config_map: Mapping[str, Any]) -> bool:
    name = str(metadata_of(config_map).get("name", ""))
    return name in _KEPT_NAMES or name.startswith(_KEPT_PREFIX)


def _of_machines(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a MachineConfig without users, and of its units and files what is about drivers and modprobe."""
    config = as_map(spec.get("config"))
    files = as_map(config.get("storage")).get("files")
    kept = []
    for file in map(as_map, files if isinstance(files, list) else ()):
        path = file.get("path")
        is_read = isinstance(path, str) and configures_modprobe(path)
        kept.append({"path": path, **({"contents": file.get("contents")} if is_read else {})})
    plain = {key: value for key, value in spec.items() if key not in ("config", "kernelArguments")}
    if isinstance(arguments := spec.get("kernelArguments"), list):
        plain["kernelArguments"] = [_argument(word) for text in arguments for word in str(text).split()]
    units = as_map(config.get("systemd")).get("units")
    loading = [{"contents": text} for unit in (units if isinstance(units, list) else ()) if (text := boot_lines(unit))]
    systemd = {"systemd": {"units": loading}} if loading else {}
    return {**plain, "config": {"ignition": {}, "storage": {"files": kept}, **systemd}} if config else plain


def _argument(word: str) -> str:
    """An argument of the kernel without its value, unless it keeps modules from being loaded: some are passwords."""
    name, separator, _ = word.partition("=")
    return word if BLACKLIST_ARGUMENT.search(word) else name + separator


def _without_values(value: Any) -> Any:
    """A part of an object without what programs are given; iterative, because an object may be nested deep."""
    result: dict[str, Any] = {"": None}
    left: list[tuple[Any, Any, Any]] = [(result, "", value)]
    while left:
        parent, key, part = left.pop()
        if isinstance(part, Mapping):
            part = _shallow(part) if isinstance(part.get("kind"), str) else part
            parent[key] = copy = dict.fromkeys(part)
            left += [(copy, name, _emptied(name, item)) for name, item in part.items()]
        elif isinstance(part, list):
            parent[key] = items = [None] * len(part)
            left += [(items, index, item) for index, item in enumerate(part)]
        else:
            parent[key] = _without_credentials(part) if isinstance(part, str) and "://" in part else part
    return result[""]


def _without_credentials(text: str) -> str:
    """A text without users and passwords in URLs; one that is a URL, without its query, which may be a token."""
    return _CREDENTIALS.sub(r"\1", _QUERY.sub(r"\1", text))


_QUERY = lazy_regex(r"\A(https?://[^\s?]+)\?\S*\Z")
_CREDENTIALS = lazy_regex(r"(://)[^/@\s]+@")
_VALUES = ("volumeAttributes", "options", "values", "valuesObject", "commonAnnotations", "env", "buildArgs")
"""Maps whose values are for other programs: CSI and flex volumes, Helm, kustomize; and variables written as a map."""

_LISTS = ("args", "command", "mountOptions", "fileParameters", "jwtTokens")
_NAMED_VALUES = ("env", "buildArgs", "httpHeaders", "info", "extVars", "tlas")
_TEXTS = ("args", "command", "elementsYaml", "message", "values", "patch", "templatePatch", "object-templates-raw")


def _emptied(name: object, value: Any) -> Any:
    """Return the value of a field of some name, without what programs are given by it."""
    if isinstance(value, Mapping):
        return _emptied_map(name, value)
    if isinstance(value, list):
        if name in _LISTS:
            return []
        if name == "elements":  # what an ApplicationSet fills its templates with
            return [dict.fromkeys(item, "") if isinstance(item, Mapping) else "" for item in value]
        if name == "parameters":
            return [_named(item) if isinstance(item, Mapping) else item for item in value]
        if name in _NAMED_VALUES:
            return [{**item, "value": ""} if "value" in item else item for item in map(as_map, value)]
    return "" if name in _TEXTS and isinstance(value, str) else value


def _emptied_map(name: object, value: Mapping[str, Any]) -> Mapping[str, Any]:
    if name in _VALUES:
        return dict.fromkeys(value, "")
    if name == "annotations":
        return {key: item if str(key).startswith(_READ_ANNOTATIONS) else "" for key, item in value.items()}
    if name == "opaque":  # what the driver of a device is given
        return {key: {} if key == "parameters" else item for key, item in value.items()}
    if name == "plugin" and "input" in value:  # what a generator of Argo CD is given
        return {**value, "input": {}}
    return {**value, "path": ""} if name == "httpGet" and "path" in value else value


def _named(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter of Helm, or of a plugin of Argo CD, without its text, list or map."""
    return {key: item if key == "name" else "" for key, item in parameter.items()}


def _secret(item: Mapping[str, Any]) -> dict[str, Any]:
    kept = metadata_of(item)
    result: dict[str, Any] = {
        "apiVersion": item.get("apiVersion"),
        "kind": "Secret",
        "metadata": {key: kept[key] for key in ("name", "namespace", "labels") if key in kept},
    }
    annotations = kept.get("annotations")
    if isinstance(annotations, Mapping) and KEY_FINGERPRINT in annotations:
        result["metadata"]["annotations"] = {KEY_FINGERPRINT: annotations[KEY_FINGERPRINT]}
    if "type" in item:
        result["type"] = item["type"]
    keys = {str(key): None for field_name in ("data", "stringData") for key in as_map(item.get(field_name))}
    result["data"] = {key: base64.b64encode(_public(key, secret_value(item, key))).decode() for key in keys}
    return result


def _public(key: str, value: bytes) -> bytes:
    """What of a value is no secret: certificates, and the names of the registries that credentials are for."""
    if key != _DOCKER:
        return certificates_in(value)
    names = registries_in(value)
    return json.dumps({"auths": {name: {} for name in names}}).encode() if names else b""


def registries_in(value: bytes) -> list[str]:
    """Return the registries that a `.dockerconfigjson` has credentials for; none where it cannot be read."""
    try:
        return [_without_credentials(str(name)) for name in as_map(json.loads(value).get("auths"))]
    except (ValueError, AttributeError, RecursionError):
        return []
