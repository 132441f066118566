"""Fast path: skips rules about the parts of a Module that have a common, known-good form.

Most Modules are sound, and most rules would read the same few fields to find nothing. Each form describes what usually
stands in such fields. A rule may name one as its `needs` only if it finds nothing in fields of that form. A form may be
much narrower than what is sound: a Module outside it only takes longer to judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kmodgate.policy.kmm.api_checks import MAX_ANNOTATIONS
from kmodgate.policy.lazy import lazy
from kmodgate.policy.shortcut.forms import Form, Forms, Place, text
from kmodgate.policy.shortcut.odd_combinations import mount_oddly, overlap, sign_oddly
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.module_blocks import Blocks
from kmodgate.policy.views.node_placement import CONTROL_PLANE
from kmodgate.policy.views.part import Map

CORDON = "node.kubernetes.io/unschedulable"

# -- texts ------------------------------------------------------------------------------------------

_WORD = r"[a-z0-9]+(?:[.-][a-z0-9]+)*"
_NAME = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_W = "[A-Za-z0-9_]"
_KERNEL = r"\$\{KERNEL_(?:FULL_VERSION|VERSION|XYZ|X|Y|Z)\}"
_PLAIN_VERSION = r"v?[0-9][A-Za-z0-9_.-]{0,60}"
_VERSION = rf"{_PLAIN_VERSION}|(?:{_W}[A-Za-z0-9_.-]{{0,60}})?{_KERNEL}"
_DIGEST = r"@sha256:[0-9a-f]{64}"
_REPOSITORY = rf"{_WORD}(?::[0-9]+)?(?:/{_WORD})+"
_FOLDER = r"(?:/[A-Za-z0-9_+-][A-Za-z0-9_.+-]*)+"

_IMAGE = text("", rf"{_REPOSITORY}(?::(?:{_VERSION})(?:{_DIGEST})?|{_DIGEST})")
_UNFILLED_IMAGE = text("", rf"{_REPOSITORY}(?::{_PLAIN_VERSION}(?:{_DIGEST})?|{_DIGEST})")
_KEY = text(rf"(?:{_WORD}/)?[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*", most=63)
_LABEL = text("", r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*", most=63)
_SECRET = text(_NAME, most=56)
_REGEXP = text(rf"\^{_W}(?:[A-Za-z0-9_-]|\\[.-]|(?:\.|\\d|\[0-9\])[*+])*\$")
_ONE_KERNEL = text(r"[A-Za-z0-9_.~-]+")
_FILE = text(rf"/opt(?:/(?:[A-Za-z0-9_+-][A-Za-z0-9_.+-]*|{_KERNEL}))*/[A-Za-z0-9_+-]+\.ko")
_ARGUMENT = {
    **text(r"[A-Z0-9_]+"),
    "not": {"pattern": "^(?:KERNEL_|MOD_|DTK_)|PASS|SECRET|TOKEN|KEY|CREDENTIAL"},
}

# -- places -----------------------------------------------------------------------------------------

_CONTAINER = "spec.moduleLoader.container"
_MAPPING = f"{_CONTAINER}.kernelMappings[]"
_LEVELS = f"{_CONTAINER}{{,.kernelMappings[]}}"
_MODPROBE = f"{_CONTAINER}.modprobe"
_PLUGIN = "spec.{devicePlugin,dra}"
_RUN = f"{_PLUGIN}.{{container,initContainer}}"


def _without(*keys: str) -> dict[str, Any]:
    return {"properties": dict.fromkeys(keys, False)}


def _having(**forms: Form) -> dict[str, Any]:
    return {"type": "object", "required": list(forms), "properties": forms}


def _each(form: Form) -> dict[str, Any]:
    """A list of maps of a form, if there is one."""
    return {"properties": {"kernelMappings": {"items": form}}}


def _alone(*keys: str) -> dict[str, Any]:
    """Each of the keys stands in the container or in mappings, and not in both."""
    return {"allOf": [{"anyOf": [_without(key), _each(_without(key))]} for key in keys]}


_A_MAP = {"type": "object"}
_MADE_NOWHERE = {"allOf": [_without("build", "sign"), _each(_without("build", "sign"))]}
_SIGNED_NOWHERE = {"allOf": [_without("sign"), _each(_without("sign"))]}
_OF_ONE_KERNEL = {"properties": {"containerImage": {"type": "string", "pattern": r"^$|\$\{KERNEL_FULL_VERSION\}"}}}
_HAS_IMAGE = _having(containerImage={"type": "string", "minLength": 1})

_MOST_ANNOTATIONS = 8
_LONGEST_ANNOTATION = MAX_ANNOTATIONS // (8 * _MOST_ANNOTATIONS)
"""Characters, of which one may have four bytes; the rest is for the keys."""


class _form(lazy[bool]):
    """Whether something stands where it is unusual; `also` are forms that are a part of this one."""

    forms: Forms

    def __init__(self, *places: Place, also: Iterable[_form] = ()) -> None:
        self.forms = forms = Forms([*places, *(place for other in also for place in other.forms.places)])
        super().__init__(lambda unusual: not forms.fit(unusual.object))

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name


class Unusual:
    """The parts of a Module that have another form than the common one; all false for a common Module."""

    def __init__(self, module: ModuleView, blocks: Blocks) -> None:
        self._blocks = blocks
        self.object: Map = module.object
        if module.is_hub:
            self.object = {"metadata": module.metadata.value, "spec": module.spec.value}

    # -- the object and where it runs ---------------------------------------------------------

    name = _form(
        (
            "metadata",
            {
                **_having(name=text(_NAME), namespace=text(_NAME)),
                "anyOf": [
                    {"properties": {"name": {"maxLength": most}, "namespace": {"maxLength": 40 - most}}}
                    for most in (20, 24, 28, 16, 12)
                ],
            },
        ),
        ("metadata.name", {"not": {"pattern": "-preflight$"}}),
    )
    structure = _form(
        ("metadata.generateName", False),
        ("metadata.labels", {"propertyNames": _KEY, "additionalProperties": _LABEL}),
        ("metadata.annotations", {
            "propertyNames": _KEY, "maxProperties": _MOST_ANNOTATIONS,
            "additionalProperties": {"type": "string", "maxLength": _LONGEST_ANNOTATION},
        }),
        ("spec", {"not": {"required": ["dra", "devicePlugin"]}}),
        (_PLUGIN, {"allOf": [{"additionalProperties": {"properties": {"resources": _without("claims")}}}]}),
        also=(name,),
    )  # fmt: skip
    """Whether the API server may refuse what the schema allows."""
    effects = _form(("spec", {"anyOf": [_having(**{key: _A_MAP}) for key in ("moduleLoader", "devicePlugin", "dra")]}))
    """Whether it may do nothing."""
    selector = _form(
        ("spec", {"required": ["selector"]}),
        ("spec.selector", {"type": "object", "minProperties": 1, **_without(*CONTROL_PLANE)}),
    )
    tolerations = _form(
        ("spec.tolerations[]", {"required": ["key", "operator"], **_without("value", "tolerationSeconds")}),
        ("spec.tolerations[].operator", {"const": "Exists"}),
        ("spec.tolerations[].effect", {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]}),
        ("spec.tolerations[].key", {**_KEY, "not": {"const": CORDON}}),
    )
    """Whether one is not of one taint of the nodes, whatever its value."""

    # -- kernel mappings ----------------------------------------------------------------------

    mappings = _form(
        (_CONTAINER, {"anyOf": [_HAS_IMAGE, _each(_HAS_IMAGE)]}),
        (_MAPPING, {"anyOf": [
            {"required": ["regexp"], "properties": {"regexp": _REGEXP, "literal": {"const": ""}}},
            {"required": ["literal"], "properties": {"literal": _ONE_KERNEL, "regexp": {"const": ""}}},
        ]}),
    )  # fmt: skip
    removals = _form((_LEVELS, _without("inTreeModulesToRemove", "inTreeModuleToRemove")))

    # -- modprobe -----------------------------------------------------------------------------

    modprobe = _form(
        ("spec.moduleLoader", _having(container=_A_MAP)),
        (_CONTAINER, {"required": ["modprobe"]}),
        (_MODPROBE, {
            "type": "object", "required": ["moduleName"],
            "propertyNames": {"enum": ["moduleName", "dirName", "firmwarePath"]},
        }),
        (f"{_MODPROBE}.moduleName", text(rf"{_W}[A-Za-z0-9_-]*")),
    )  # fmt: skip
    folders = _form((f"{_MODPROBE}.{{dirName,firmwarePath}}", text("", _FOLDER)))
    parameters = _form((f"{_MODPROBE}.parameters", False))
    version = _form((f"{_CONTAINER}.version", {"const": ""}))

    # -- images -------------------------------------------------------------------------------

    images = _form(
        (f"{_LEVELS}.containerImage", _IMAGE),
        (f"{_LEVELS}.sign.unsignedImage", _IMAGE),
        (f"{_RUN}.image", _UNFILLED_IMAGE),
    )
    """Whether there is an image other than `registry/path:version`, or with a variable where KMM fills none."""
    shared_images = _form(
        (_CONTAINER, {"anyOf": [
            _MADE_NOWHERE, {"allOf": [_OF_ONE_KERNEL, _each(_OF_ONE_KERNEL)]},
        ]}),
        also=(images, mappings),
    )  # fmt: skip
    """Whether an image that is built or signed may be that of several kernels."""
    pushed_digests = _form((f"{_LEVELS}.containerImage", {"not": {"pattern": "@"}}))
    unsigned_images = _form((f"{_LEVELS}.sign.unsignedImage", False))
    registries = _form(
        (_LEVELS, _without("registryTLS")),
        (f"{_LEVELS}.build.baseImageRegistryTLS", False),
        (f"{_LEVELS}.sign.unsignedImageRegistryTLS", False),
    )
    pull_secret = _form(("spec.imageRepoSecret", False))
    pull_policies = _form((f"{_LEVELS}.imagePullPolicy", False), (f"{_RUN}.imagePullPolicy", False))
    untouched_texts = _form(also=(images, folders, parameters))
    """Whether there may be variables where KMM fills none."""

    # -- building and signing -----------------------------------------------------------------

    builds = _form(
        (f"{_LEVELS}.build", {"required": ["selector", "dockerfileConfigMap"]}),
        (f"{_LEVELS}.build.selector", {"type": "object", "minProperties": 1}),
        (f"{_LEVELS}.build.dockerfileConfigMap", _having(name={"type": "string", "minLength": 1})),
    )
    build_arguments = _form((f"{_LEVELS}.build.buildArgs[].name", _ARGUMENT))
    merged_blocks = _form((_CONTAINER, _alone("build", "sign")))
    """Whether a mapping adds to a block of the container."""
    files = _form(
        (_CONTAINER, {"anyOf": [_SIGNED_NOWHERE, _having(modprobe=_having(dirName={"const": "/opt"}))]}),
        (f"{_LEVELS}.sign", {"required": ["filesToSign"]}),
        (f"{_LEVELS}.sign.filesToSign", {"type": "array", "minItems": 1}),
        (f"{_LEVELS}.sign.filesToSign[]", _FILE),
    )
    """Whether a file to sign may not be below dirName, is no plain path, or is missing."""
    templates = _form(also=(images, files))
    unbuilt_signs = _form((_CONTAINER, {"anyOf": [
        _having(build=_A_MAP),
        _having(kernelMappings={"type": "array", "items": _having(build=_A_MAP)}),
        _SIGNED_NOWHERE,
    ]}))  # fmt: skip
    """Whether what is signed may not be built."""

    # -- plugins ------------------------------------------------------------------------------

    dra = _form(("spec.dra", False))
    host_paths = _form(
        (f"{_PLUGIN}.volumes[].hostPath", _having(
            path=text(r"/(?:dev|sys|opt)(?:/[A-Za-z0-9_-]+)+", "/var/lib/kubelet/device-plugins")
        )),
    )  # fmt: skip

    # -- what is in several places at once, which no form tells -------------------------------------

    @lazy
    def overlaps(self) -> bool:
        """Whether a mapping may match what another one does, beyond what two expressions have in common."""
        return self.mappings or overlap(self._blocks)

    @lazy
    def signs(self) -> bool:
        """Whether a block to sign may lack the module that is loaded, or has odd Secrets, or one for two purposes."""
        if not self._blocks.signs:
            return self._odd_secrets
        return self._odd_secrets or self.modprobe or self.files or sign_oddly(self._blocks)

    _odd_secrets = _form(
        (f"{_LEVELS}.build.secrets", False),
        (f"{_LEVELS}.sign", {"required": ["keySecret", "certSecret"]}),
        (f"{_LEVELS}.sign.{{keySecret,certSecret}}", _having(name=_SECRET)),
    )

    @lazy
    def volumes(self) -> bool:
        """Whether a volume's name may be taken, or a mount is of no volume, where another one is, or over a token."""
        return mount_oddly(self._blocks)
