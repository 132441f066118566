"""IMS4: configurations of the Configuration Framework Service (CFS), and the DKMS flags of their layers."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, NamedTuple

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.ims.cfs_layers import FLAG_FIELDS, URL_FIELDS
from kmodgate.policy.ims.given_records import CONFIGURATIONS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.ims.classes import job_class, obstacle
from kmodgate.policy.rules.ims.recipes import switch_is_on
from kmodgate.policy.views.part import list_in

_KINDS = (CONFIGURATIONS,)
_SPECIAL = {api: fields[0] for api, fields in FLAG_FIELDS.items()}
_FLAG = {api: fields[1] for api, fields in FLAG_FIELDS.items()}
_FLAGS = tuple(_FLAG.values())
_OF_API = {field: api for api, field in URL_FIELDS.items()}
_NEAR = 0.7


class Layer(NamedTuple):
    """A layer of a configuration, with its place."""

    configuration: str
    path: FieldPath
    record: Any

    @property
    def title(self) -> str:
        return f"layer {self.record.get('name', self.path[-1])} of configuration {self.configuration}"

    @property
    def api(self) -> str:
        """The API whose names the layer has beside its special parameters; empty where it has none that tell."""
        return next((api for name, api in _OF_API.items() if name in self.record), "")

    def special(self) -> Iterator[tuple[str, Any]]:
        """Yield the special parameters by the name of their field: that of v2, of v3, or both."""
        return ((name, self.record[name]) for name in _SPECIAL.values() if name in self.record)

    def flags(self) -> Iterator[tuple[FieldPath, object]]:
        """Yield the values of the DKMS flag where it stands in its place, with their paths."""
        for name, special in self.special():
            flag = _FLAG["v2" if name == _SPECIAL["v2"] else "v3"]
            if flag in as_map(special):
                yield (*self.path, name, flag), special[flag]


def layers(review: Review) -> Iterator[Layer]:
    for index, configuration in enumerate(list_in(review.object, "configurations")):
        name = str(as_map(configuration).get("name", index))
        listed = as_map(configuration).get("layers")
        for number, layer in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(layer, dict):
                yield Layer(name, ("configurations", index, "layers", number), layer)


@rule("IMS411", kinds=_KINDS, severity=Severity.WARNING)
def false_without_effect(review: Review) -> Iterator[Problem]:
    """A layer with `ims_require_dkms: false` where ims-config enables DKMS: the customize job has DKMS all the same.

    CFS sends `require_dkms: true` if any layer says so, and nothing else; then ims-config decides. A guide of Slingshot
    asks for this `false`, to use kernel packages that are built already: only `JOB_ENABLE_DKMS: "false"` does that, for
    all configurations at once. Beside another layer that says true it has no effect either.

    Fix: remove the flag, or set `JOB_ENABLE_DKMS` to `"false"` in ims-config and the flag to true where DKMS is needed.
    Source: src/cray/cfs/inventory/image/__init__.py of Cray-HPE/cfs-operator.
    """
    all_layers = list(layers(review))
    needing = {item.configuration for item in all_layers if any(value is True for _, value in item.flags())}
    is_on = switch_is_on(review.ims)
    for layer in all_layers:
        for path, value in layer.flags():
            if value is not False:
                continue
            if is_on:
                message = f"{layer.title} says false, and ims-config enables DKMS all the same"
                yield Problem(path, message, 'remove it, or set JOB_ENABLE_DKMS: "false"')
            elif layer.configuration in needing:
                message = f"{layer.title} says false, and another layer says true, which counts"
                yield Problem(path, message, "remove it")


@rule("IMS412", kinds=_KINDS)
def misnamed_flag(review: Review) -> Iterator[Problem]:
    """The DKMS flag of a layer under a name, or in a place, that CFS does not know.

    Version 3 of its API has `special_parameters.ims_require_dkms`, version 2 `specialParameters.imsRequireDkms`; other
    properties are refused there, and a configuration with the names of both is of neither version.

    Fix: write the names of the version that the other fields of the layer are of.
    Source: api/openapi.yaml of Cray-HPE/config-framework-service, V2 and V3 ConfigurationLayer.
    """
    for layer in layers(review):
        for flag in (*_FLAGS, "require_dkms"):
            if flag in layer.record:
                fix = f"write it below {_SPECIAL[layer.api or 'v3']}: {_FLAG[layer.api or 'v3']}"
                yield Problem((*layer.path, flag), f"{layer.title} has {flag} on its first level", fix)
        for name, special in layer.special():
            api = "v2" if name == _SPECIAL["v2"] else "v3"
            if layer.api and layer.api != api:
                message = f"{layer.title} has {name} of {api} beside fields of {layer.api}"
                yield Problem((*layer.path, name), message, f"write {_SPECIAL[layer.api]}: {_FLAG[layer.api]}")
                continue
            for key in as_map(special):
                if key != _FLAG[api]:
                    is_near = difflib.get_close_matches(str(key), (*_FLAGS, "require_dkms"), 1, _NEAR)
                    fix = f"write {_FLAG[api]}" if is_near else f"remove it: CFS knows {_FLAG[api]} only"
                    yield Problem((*layer.path, name, key), f"{layer.title} has {key} in {name} ({api})", fix)


@rule("IMS413", kinds=_KINDS)
def flag_is_no_boolean(review: Review) -> Iterator[Problem]:
    """The DKMS flag of a layer is no boolean of JSON: CFS refuses the configuration.

    Fix: write true or false without quotes.
    Source: api/openapi.yaml of Cray-HPE/config-framework-service.
    """
    for layer in layers(review):
        for name, special in layer.special():
            if special is not None and not isinstance(special, dict):
                yield Problem(
                    (*layer.path, name), f"{layer.title}: {name} is no object", "write an object, or remove it"
                )
        for path, value in layer.flags():
            if not isinstance(value, bool):
                word = str(value).strip().lower()
                fix = f'"{path[-1]}": {word}' if word in ("true", "false") else "write true or false, without quotes"
                yield Problem(path, f"{layer.title} has {value!r}, which is no boolean", fix)


@rule("IMS414", kinds=_KINDS, severity=Severity.WARNING)
def flag_of_a_later_release(review: Review) -> Iterator[Problem]:
    """The DKMS flag of a layer in a release of CSM whose CFS does not take it.

    Support came with CSM 1.5.0 (cfs-operator 1.18); version 3 of the API of CSM 1.5.0 refuses layers with the field,
    and version 2 takes them.

    Fix: use version 2 with CSM 1.5.0, or upgrade.
    Source: Cray-HPE/cfs-operator 1.18.0; Cray-HPE/config-framework-service.
    """
    release = review.ims.release
    if release is None or release.is_at_least("3.14.0"):
        return
    for layer in layers(review):
        for path, _ in layer.flags():
            if release.only_ims_config_decides:
                message = f"{layer.title} has {path[-1]}, which CSM 1.4 does not know: ims-config alone decides"
                yield Problem(path, message, "remove it, or upgrade")
            elif release.version == "3.12.0" and path[-1] == _FLAG["v3"]:
                message = f"{layer.title} has {path[-1]}, which version 3 of the API of CSM 1.5.0 refuses"
                yield Problem(path, message, "use version 2 of the API: specialParameters.imsRequireDkms")


@rule("IMS311", kinds=_KINDS, severity=Severity.WARNING, facts=True)
def layer_without_a_place(review: Review) -> Iterator[Problem]:
    """A layer needs DKMS, and customize jobs cannot run in a VM: the RuntimeClass is missing, or has no node.

    Fix: what the message says of the class.
    Source: src/server/v3/resources/jobs.py of Cray-HPE/ims; plugin/pkg/admission/runtimeclass of Kubernetes.
    """
    wanted = job_class(review.ims, "x86_64")
    found = obstacle(review.known, wanted) if wanted else None
    for layer in layers(review) if found else ():
        for path, value in layer.flags():
            if value is True and found:
                yield Problem(path, f"{layer.title} needs DKMS, and {found.reason}", found.fix)
