"""A driver's spec → what its nodes load at boot, and why they cannot.

At boot there is one image and one list of removals for all kernels: the node asks nobody which kernel mapping wins.
Source: pkg/mcproducer and internal/mcfg of rh-ecosystem-edge/kernel-module-management.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.image_references import corrected, parse_image
from kmodgate.policy.formats.kernel_module_names import in_kernel_form, name_of_file
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.in_tree_modules import NAMES
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.fleet.specs import JsonMap

KERNEL = "${KERNEL_FULL_VERSION}"
_SAFE = lazy_regex(r"[A-Za-z0-9/._+-]*")
_MOVING = ("", "latest", "stable", "main", "master", "edge", "dev", "nightly")


@dataclass(frozen=True, slots=True)
class BootImage:
    """An image whose tag is a kernel version between `prefix` and `suffix`."""

    name: str
    prefix: str = ""
    suffix: str = ""

    def for_kernel(self, kernel: str) -> str:
        """Return the reference that a node with a kernel pulls."""
        return f"{self.name}:{self.prefix}{kernel}{self.suffix}"


@dataclass(frozen=True, slots=True)
class BootSettings:
    """What the nodes of a pool load at boot. `removals` are names of modules, dependents first."""

    driver: str
    pool: str
    image: BootImage
    worker_image: str
    removals: tuple[str, ...]
    modprobe: JsonMap

    @property
    def module(self) -> str:
        return str(self.modprobe.get("moduleName", ""))

    @property
    def firmware(self) -> str:
        return str(self.modprobe.get("firmwarePath", ""))

    @property
    def blacklist(self) -> list[str]:
        """The names of modules of the kernel that nodes do not load by themselves."""
        own = [self.module] if in_kernel_form(self.module) in NAMES else []
        return list(dict.fromkeys((*self.removals, *own)))


@dataclass(frozen=True, slots=True)
class BootProblem:
    """Why a driver cannot be loaded at boot: the id of the error, and the path in its spec."""

    rule: str
    path: FieldPath
    message: str
    fix: str


def boot_settings(driver: str, namespace: str, boot: JsonMap, loader: JsonMap, worker_image: str) -> BootSettings:
    """Return what is loaded at boot; `loader` is a driver's spec, or the container of its Module.

    What `boot_problems` reports is left out.
    """
    modprobe = dict(as_map(loader.get("modprobe")))
    modprobe.setdefault("dirName", "/opt")
    found = boot.get("inTreeModulesToRemove")
    removals = found if isinstance(found, list) else _common_removals(loader) or ()
    return BootSettings(
        driver,
        str(boot.get("pool", "")),
        _image(boot, loader, driver, namespace) or BootImage(""),
        str(boot.get("workerImage", "") or worker_image),
        tuple(name_of_file(str(name)) for name in removals),
        modprobe,
    )


def boot_problems(
    driver: str, namespace: str, boot: JsonMap, spec: JsonMap, worker_image: str
) -> Iterator[BootProblem]:
    """Yield what keeps a driver from being loaded at boot, on whatever cluster."""
    if _image(boot, spec, driver, namespace) is None:
        yield _image_problem(boot)
    if not boot.get("bootModuleConfig"):
        yield from _worker_problems(boot, worker_image)
    if "inTreeModulesToRemove" not in boot and _common_removals(spec) is None:
        yield BootProblem(
            "DAY005",
            ("kernelMappings",),
            "kernel mappings remove different in-tree modules, and at boot there is one list for all kernels",
            "list them in spec.boot.inTreeModulesToRemove",
        )
    settings = boot_settings(driver, namespace, boot, spec, worker_image)
    if not settings.module or "rawArgs" in settings.modprobe:
        message = "a node loads at boot by a name, and rawArgs says something else"
        yield BootProblem("DAY005", ("modprobe", "rawArgs"), message, "write modprobe.moduleName, and args if need be")
    if boot.get("bootModuleConfig"):
        yield from _beyond_boot_module_config(settings)
    yield from _odd_characters(settings, boot)


def _image_problem(boot: JsonMap) -> BootProblem:
    if "image" in boot:
        message = f"{boot['image']} is not the name of an image without a tag: its tag is the kernel's version"
        return BootProblem("DAY003", ("boot", "image"), message, "write registry/path alone: quay.io/acme/ice")
    message = (
        "containerImage does not tell which image a node pulls at boot: its tag must be made of the kernel's version"
    )
    fix = f"name it without a tag in spec.boot.image, or give all kernels one image: quay.io/acme/ice:1.2-{KERNEL}"
    return BootProblem("DAY003", ("containerImage",), message, fix)


def _worker_problems(boot: JsonMap, worker_image: str) -> Iterator[BootProblem]:
    image = str(boot.get("workerImage", "") or worker_image)
    path: FieldPath = ("boot", "workerImage")
    fix = "name a version of KMM's worker in spec.boot.workerImage, or in spec.tools.worker of the Cluster"
    parsed = parse_image(image)
    if not image:
        yield BootProblem("DAY004", path, "no worker image is known, which loads the module at boot", fix)
    elif parsed is None or "$" in image:
        fix = f"write {better}" if (better := corrected(image)) else fix
        yield BootProblem("DAY004", path, f"{image!r} is not the name of an image", fix)
    elif not is_pinned(image):
        message = f"the worker image {image} is not pinned: nodes would load with another one after every pull"
        yield BootProblem("DAY004", path, message, fix)


def is_pinned(image: str) -> bool:
    """Whether a worker image has a digest, or a tag that names a version."""
    parsed = parse_image(image)
    return parsed is not None and (bool(parsed.digest) or parsed.tag.lower() not in _MOVING)


def _beyond_boot_module_config(settings: BootSettings) -> Iterator[BootProblem]:
    """Yield what a BootModuleConfig has no field for."""
    if settings.image.prefix or settings.image.suffix:
        message = "a BootModuleConfig takes an image whose tag is the kernel's version and nothing else"
        yield BootProblem("DAY005", ("boot", "bootModuleConfig"), message, "name such an image in spec.boot.image")
    for key in ("parameters", "args"):
        if settings.modprobe.get(key):
            message = f"a BootModuleConfig has no field for modprobe.{key}: the driver would load without at boot"
            fix = f"remove modprobe.{key}, or spec.boot.bootModuleConfig, so that a MachineConfig is rendered"
            yield BootProblem("DAY005", ("modprobe", key), message, fix)
    if settings.modprobe["dirName"] != "/opt":
        message = "a BootModuleConfig looks for the modules below /opt only"
        yield BootProblem("DAY005", ("modprobe", "dirName"), message, "put them there, or remove bootModuleConfig")


def _odd_characters(settings: BootSettings, boot: JsonMap) -> Iterator[BootProblem]:
    removed: FieldPath = ("boot",) if "inTreeModulesToRemove" in boot else ()
    texts: list[tuple[FieldPath, str]] = [
        (("modprobe", key), str(settings.modprobe.get(key, ""))) for key in ("moduleName", "dirName", "firmwarePath")
    ]
    texts += (((*removed, "inTreeModulesToRemove"), name) for name in settings.removals)
    for path, text in texts:
        if not _SAFE.fullmatch(text):
            message = f"{text!r} has characters that a shell or systemd acts on, at boot of every node"
            yield BootProblem("DAY005", path, message, "use letters, digits and / . _ + -")


def _image(boot: JsonMap, loader: JsonMap, driver: str, namespace: str) -> BootImage | None:
    """The image of all kernels; None where there is none, or where its tag does not follow from the kernel."""
    if "image" in boot:
        parsed = parse_image(str(boot["image"]))
        is_bare = parsed is not None and not parsed.tag and not parsed.digest and "$" not in str(boot["image"])
        return BootImage(str(boot["image"])) if is_bare else None
    images = {str(item.get("containerImage") or loader.get("containerImage") or "") for item in _mappings(loader)}
    if len(images) != 1:
        return None
    (image,) = images
    image = image.replace("${MOD_NAME}", driver).replace("${MOD_NAMESPACE}", namespace)
    prefix, kernel, suffix = image.partition(KERNEL)
    name, colon, prefix = prefix.rpartition(":")
    is_in_tag = kernel and colon and "/" not in prefix and not {"$", "@"} & {*name, *prefix, *suffix}
    return BootImage(name, prefix, suffix) if is_in_tag and parse_image(image) else None


def image_path(loader: JsonMap) -> FieldPath:
    """Return the field of a driver's spec that names the image of all kernels, where `boot.image` does not."""
    for index, mapping in enumerate(_mappings(loader)):
        if mapping.get("containerImage"):
            return ("kernelMappings", index, "containerImage")
    return ("containerImage",)


def _common_removals(loader: JsonMap) -> tuple[Json, ...] | None:
    """The in-tree modules to remove on every kernel; None where they differ."""
    found = set()
    for item in _mappings(loader):
        removed = item.get("inTreeModulesToRemove", loader.get("inTreeModulesToRemove"))
        found.add(tuple(removed) if isinstance(removed, list) else ())
    return found.pop() if len(found) == 1 else None


def _mappings(loader: JsonMap) -> list[JsonMap]:
    mappings = loader.get("kernelMappings")
    return [item for item in mappings if isinstance(item, dict)] if isinstance(mappings, list) else []
