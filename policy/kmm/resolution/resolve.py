"""What KMM would do with a Module on a kernel: which mapping wins, and what it amounts to.

Source: internal/module/kernelmapper.go and buildargoverrider.go of Kernel Module Management; the words of its errors
are kept, so that they can be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.regexps.go_regexps import BadPattern, compile_any
from kmodgate.policy.kmm import kernel as kernels
from kmodgate.policy.kmm.kernel import BadKernel
from kmodgate.policy.kmm.resolution.substitution import BadTemplate, substitute

Object = Mapping[str, Any]  # a Module as JSON: the CRD's schema has fixed its shape before it comes here

INTERNAL_TOLERATIONS = tuple(
    {"key": f"node.kubernetes.io/{pressure}-pressure", "operator": "Exists", "effect": "NoSchedule"}
    for pressure in ("disk", "memory", "pid")
)
"""What KMM tolerates for every Module, beside its own tolerations."""


IMAGE_INPUTS = {
    "build": ("dockerfileConfigMap", "buildArgs", "secrets"),
    "sign": ("keySecret", "certSecret", "filesToSign", "unsignedImage"),
}
"""What decides the content of an image that is built or signed; the other settings say how it is done."""


class Unresolved(Exception):
    """KMM would not act on this kernel; the text is KMM's own."""


class NoMapping(Unresolved):
    """No mapping matches the kernel: KMM unloads there, while at any other failure it leaves nodes as they are.

    Source: internal/controllers/module_reconciler.go of Kernel Module Management, prepareSchedulingData.
    """


@dataclass(frozen=True, slots=True)
class Resolution:
    """A Module on one kernel. `mapping` is the index of the mapping that won.

    `build` and `sign` are merged from the container and the mapping, and None where there is neither.
    """

    mapping: int
    kernel: str
    normalised_kernel: str
    image: str
    build: Object | None
    sign: dict[str, Any] | None
    registry_tls: Object
    in_tree_modules_to_remove: list[str] | None
    modprobe: Object
    tolerations: list[Any]
    version: str


def resolve(module: Object, kernel: str) -> Resolution:
    """The Module on a kernel, taken as it stands. Raises Unresolved."""
    container = module["spec"]["moduleLoader"]["container"]
    index = find_mapping(container["kernelMappings"], kernel)
    mapping = container["kernelMappings"][index]
    normalised = kernels.normalised(kernel)
    sign = _merged_sign(container.get("sign"), mapping.get("sign"), kernel)
    image = mapping.get("containerImage") or container.get("containerImage") or ""
    return Resolution(
        mapping=index,
        kernel=kernel,
        normalised_kernel=normalised,
        image=_filled_image(image, normalised, kernel, module["metadata"]),
        build=_merged_build(container.get("build"), mapping.get("build")),
        sign=sign,
        registry_tls=_given(mapping.get("registryTLS"), container.get("registryTLS")) or {},
        in_tree_modules_to_remove=_in_tree_modules(container, mapping),
        modprobe=container["modprobe"],
        tolerations=[*(module["spec"].get("tolerations") or ()), *INTERNAL_TOLERATIONS],
        version=container.get("version") or "",
    )


def image_inputs(container: Object, mapping: Object) -> dict[str, dict[str, Any]]:
    """Return what decides the content of the image of a mapping, by `build` and `sign`; empty where it is prebuilt.

    Templates stay as they are written. Secrets that a build mounts are left out: they let it in, and are not in it.
    """
    build = _merged_build(container.get("build"), mapping.get("build"))
    sign = _signed_with(container.get("sign"), mapping.get("sign"))
    blocks: dict[str, Object | None] = {"build": build, "sign": sign}
    return {
        name: {key: block[key] for key in IMAGE_INPUTS[name] if key != "secrets" and block.get(key)}
        for name, block in blocks.items()
        if block is not None
    }


def find_mapping(mappings: list[Any], kernel: str) -> int:
    """The index of the first mapping that matches. Raises NoMapping when there is none, Unresolved for a bad one."""
    for index, mapping in enumerate(mappings):
        if why_not(mapping, kernel) is None:
            return index
    raise NoMapping(f"failed to find mapping for kernel {kernel}: kernel mapping not found")


def why_not(mapping: Object, kernel: str) -> str | None:
    """Why a mapping does not match a kernel; None if it does. Raises Unresolved for a bad expression."""
    values = (mapping.get("literal"), mapping.get("regexp"))
    literal, regexp = [value if isinstance(value, str) else "" for value in values]
    if literal and literal == kernel:
        return None
    if not regexp:
        return f"literal {literal} is another kernel"
    pattern = compile_any(regexp)
    if isinstance(pattern, BadPattern):
        reason = f'could not match regexp "{regexp}" against kernel "{kernel}": {pattern.reason}'
        raise Unresolved(f"failed to find mapping for kernel {kernel}: {reason}")
    return None if pattern.searches(kernel) else f"regexp {regexp} does not match"


def _given(first: Any, second: Any) -> Any:
    return second if first is None else first


def _in_tree_modules(container: Object, mapping: Object) -> list[str] | None:
    single = mapping.get("inTreeModuleToRemove") or container.get("inTreeModuleToRemove")
    if single:
        return [single]
    found = _given(mapping.get("inTreeModulesToRemove"), container.get("inTreeModulesToRemove"))
    return None if found is None else list(found)


def _merged_build(common: Object | None, own: Object | None) -> Object | None:
    """The mapping's Dockerfile, arguments and secrets over the container's; its other fields then get lost."""
    if common is None or own is None:
        return common if own is None else own
    result = dict(common)
    if own.get("dockerfileConfigMap") is not None:
        result["dockerfileConfigMap"] = own["dockerfileConfigMap"]
    result["buildArgs"] = _merged_arguments(common.get("buildArgs"), own.get("buildArgs") or [])
    if own.get("secrets"):
        result["secrets"] = [*(common.get("secrets") or ()), *own["secrets"]]
    return result


def _merged_arguments(common: list[Any] | None, own: list[Any]) -> list[Any] | None:
    """The container's arguments in their places with the mapping's values; new names follow in their order."""
    values = {argument["name"]: argument for argument in own}
    kept = [values.get(argument["name"], argument) for argument in common or ()]
    known = {argument["name"] for argument in kept}
    added = [values[name] for name in sorted(values, key=lambda name: name.encode()) if name not in known]
    return None if common is None and not added else kept + added


def _signed_with(common: Object | None, own: Object | None) -> dict[str, Any] | None:
    """The mapping's image, keys and files over the container's, with their templates as they are written."""
    if common is None and own is None:
        return None
    result = dict(_given(common, own))
    if common is not None and own is not None:
        for key in ("unsignedImage", "keySecret", "certSecret"):
            if own.get(key):
                result[key] = own[key]
        result["filesToSign"] = [*(common.get("filesToSign") or ()), *(own.get("filesToSign") or ())]
    return result


def _merged_sign(common: Object | None, own: Object | None, kernel: str) -> dict[str, Any] | None:
    result = _signed_with(common, own)
    if result is None:
        return None
    try:
        values = _variables(kernels.normalised(kernel))
        result["unsignedImage"] = _filled(result.get("unsignedImage") or "", values)
        result["filesToSign"] = [_filled(file, values) for file in result.get("filesToSign") or ()]
    except (BadKernel, BadTemplate) as error:
        reason = f"failed to get the relevant Sign configuration for kernel {kernel}: {error}"
        raise Unresolved(f"failed to prepare module loader data for kernel {kernel}: {reason}") from None
    return result


def filled_image(image: str, kernel: str, metadata: Object) -> str:
    """Return an image with its variables filled in for a kernel and a Module's metadata. Raises Unresolved."""
    return _filled_image(image, kernels.normalised(kernel), kernel, metadata)


def _filled_image(image: str, normalised: str, kernel: str, metadata: Object) -> str:
    head = f"failed to replace templates in module loader data for kernel {kernel}"
    try:
        values = _variables(normalised)
    except BadKernel as error:
        raise Unresolved(f"{head}: {error}") from None
    values |= {"MOD_NAME": metadata.get("name", ""), "MOD_NAMESPACE": metadata.get("namespace", "")}
    try:
        return _filled(image, values)
    except BadTemplate as error:
        raise Unresolved(f"{head}: failed to substitute templates in the ContainerImage field: {error}") from None


def _variables(normalised: str) -> dict[str, str]:
    try:
        return kernels.variables(normalised)
    except BadKernel as error:
        raise BadKernel(f"failed to get kernel componnents as env variables, {error}") from None


def _filled(template: str, values: Mapping[str, str]) -> str:
    try:
        return substitute(template, values)
    except BadTemplate as error:
        raise BadTemplate(f'failed to substitute "{template}": {error}') from None
