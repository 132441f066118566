"""One view of an object, read once a review and shared by all rules: they never walk the object themselves.

Parts of another shape than the schema allows read as empty: the structural rules report them, and the others go on.
"""

from __future__ import annotations

import re
from contextlib import suppress

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.regexps.go_regexps import BadPattern, Pattern
from kmodgate.policy.kmm.nodes.node_selection import CORDON_TAINT, tolerates
from kmodgate.policy.kmm.resolution.substitution import BadTemplate, names
from kmodgate.policy.lazy import lazy, lazy_regex
from kmodgate.policy.memo import kept
from kmodgate.policy.views.kernel_mapping import KernelMapping, mapping_of
from kmodgate.policy.views.part import EMPTY, Map, Part, present, text_in

MOST_EXPRESSIONS, MOST_CHARACTERS = 2000, 256 << 10
"""Different expressions of one Module, and their characters together: that takes up to a second to compile."""

LONGEST = 4096
"""Characters of an image's name or a path that rules look into: what is longer is neither."""


class ModuleView:
    """A Module, or the Module that a ManagedClusterModule makes on its spokes (`is_hub`)."""

    def __init__(self, object: Map) -> None:
        self.object = object
        self.is_hub = object.get("kind") == "ManagedClusterModule"
        root = Part(None, (), object)
        self.metadata = root.map("metadata")
        self.spec = root.map("spec").map("moduleSpec") if self.is_hub else root.map("spec")
        self.loader = self.spec.optional("moduleLoader")
        self.container = self.loader.map("container") if self.loader else Part(self.spec, (), EMPTY)
        self.modprobe = self.container.map("modprobe")

    @lazy
    def full_name(self) -> str:
        """Namespace and name."""
        return f"{self.metadata.text('namespace')}/{self.metadata.text('name')}"

    @lazy
    def names(self) -> list[tuple[FieldPath, str]]:
        """The names that modprobe is given to load."""
        name = self.modprobe.text("moduleName")
        order = self.modprobe.texts("modulesLoadingOrder")
        return [((*self.modprobe.path, "moduleName"), name), *order] if name else order

    @lazy
    def loaded(self) -> set[str]:
        """The names of the kernel modules that are loaded, in which `-` equals `_`."""
        names = [self.modprobe.text("moduleName"), *self.modprobe.strings("modulesLoadingOrder")]
        return {in_kernel_form(name) for name in names if name}

    @lazy
    def mappings(self) -> list[KernelMapping]:
        common = self.container.text("containerImage")
        return [mapping_of(index, part, common) for index, part in enumerate(self.container.maps("kernelMappings"))]

    @lazy
    def has_too_many_expressions(self) -> bool:
        """Whether the different expressions are too many, or too long together; none of them is compiled for that."""
        mappings = self.container.value.get("kernelMappings")
        if not isinstance(mappings, list):
            return False
        found = {text_in(mapping, "regexp") for mapping in mappings if type(mapping) is dict}
        return len(found) > MOST_EXPRESSIONS or sum(map(len, found)) > MOST_CHARACTERS

    @lazy
    def literals(self) -> list[KernelMapping]:
        """The mappings that name one kernel."""
        return [mapping for mapping in self.mappings if mapping.literal]

    @lazy
    def regexps(self) -> list[KernelMapping]:
        """The mappings with an expression that Go can compile, and that is not too large to be judged."""
        return [mapping for mapping in self.mappings if type(mapping.pattern) is Pattern]

    @lazy
    def has_refused_mapping(self) -> bool:
        """Whether a mapping is empty, an expression is none to Go, or a literal has characters that no kernel has."""
        return any(
            type(mapping.pattern) is BadPattern
            or not IN_KERNEL_NAMES.fullmatch(mapping.literal)
            or not (mapping.literal or mapping.regexp)
            for mapping in self.mappings
        )

    @lazy
    def levels(self) -> list[Part]:
        """Where build, sign and registryTLS may stand: the container, then each mapping."""
        return [self.container, *(mapping.part for mapping in self.mappings)]

    @lazy
    def fields(self) -> frozenset[str]:
        """The fields that at least one of the levels has."""
        return frozenset().union(*[level.value for level in self.levels])

    def _at_levels(self, key: str) -> list[Part]:
        return present(self.levels, key) if key in self.fields else []

    @lazy
    def signs(self) -> list[Part]:
        return self._at_levels("sign")

    @lazy
    def builds(self) -> list[Part]:
        return self._at_levels("build")

    @lazy
    def is_made(self) -> bool:
        """Whether KMM builds or signs an image."""
        return bool(self.builds or self.signs)

    @lazy
    def plugins(self) -> list[Part]:
        """What runs beside the loader: the device plugin or the DRA driver."""
        return [*present((self.spec,), "devicePlugin"), *present((self.spec,), "dra")]

    @lazy
    def containers(self) -> list[Part]:
        """The containers and init containers of the plugins."""
        return [
            container
            for plugin in self.plugins
            for key in ("container", "initContainer")
            if (container := plugin.optional(key)) is not None
        ]

    @lazy
    def dra(self) -> Part | None:
        return self.spec.optional("dra")

    @lazy
    def device_classes(self) -> list[Part]:
        return self.dra.maps("deviceClasses") if self.dra else []

    @lazy
    def volumes(self) -> list[Part]:
        return [volume for plugin in self.plugins for volume in plugin.maps("volumes")]

    @lazy
    def tolerations(self) -> list[Part]:
        return self.spec.maps("tolerations")

    @lazy
    def tolerates_cordons(self) -> bool:
        return any(tolerates(item.value, CORDON_TAINT) for item in self.tolerations)

    @lazy
    def version(self) -> str:
        return self.container.text("version")

    @lazy
    def dir_name(self) -> str:
        return self.modprobe.text("dirName")

    @lazy
    def images(self) -> list[tuple[FieldPath, str]]:
        """Every place of the loader that names an image, as it is written; empty ones are left out."""
        return _named(self.levels, "containerImage")

    @lazy
    def single_kernel_images(self) -> list[tuple[Part, KernelMapping, frozenset[str]]]:
        """Images made for one kernel, of mappings that match several: the level that names each, and its variables.

        Made for one kernel is what is built, and that of which files of one kernel are signed.
        """
        found: list[tuple[Part, KernelMapping, frozenset[str]]] = []
        common, variables = is_made(self.container), _Variables()
        for mapping in self.mappings:
            if not mapping.regexp or not mapping.image or not (common or is_made(mapping.part)):
                continue
            if not is_one_kernel(mapping.regexp) and (asked := variables[mapping.image]) is not None:
                found.append((mapping.part if mapping.own_image else self.container, mapping, asked))
        return found

    @lazy
    def unsigned_images(self) -> list[tuple[FieldPath, str]]:
        return _named(self.signs, "unsignedImage")

    @lazy
    def pod_images(self) -> list[tuple[FieldPath, str]]:
        """Every place of the plugins that names an image: containers, and volumes that are images."""
        volumes = [image for volume in self.volumes if (image := volume.optional("image")) is not None]
        return [*_named(self.containers, "image"), *_named(volumes, "reference")]

    @lazy
    def secrets(self) -> list[Part]:
        """The references to Secrets that build and sign pods mount."""
        found = [part for sign in self.signs for key in ("keySecret", "certSecret") if (part := sign.optional(key))]
        return [*found, *(part for build in self.builds for part in build.maps("secrets"))]

    @lazy
    def files_to_sign(self) -> list[tuple[FieldPath, str]]:
        return [item for sign in self.signs for item in sign.texts("filesToSign")]

    @lazy
    def build_arguments(self) -> list[tuple[Part, int, str]]:
        """The names of the build arguments, each with its build and its index: there are many, and most are sound."""
        return [
            (build, index, name)
            for build in self.builds
            if type(arguments := build.value.get("buildArgs")) is list
            for index, argument in enumerate(arguments)
            if type(argument) is dict and type(name := argument.get("name")) is str
        ]

    @lazy
    def templates(self) -> list[tuple[FieldPath, str, bool]]:
        """Every text that KMM fills and that has something to fill; whether it is the name of an image to load."""
        found = [(path, text, True) for path, text in self.images if "$" in text]
        found += [(path, text, False) for path, text in self.unsigned_images if "$" in text]
        found += [(path, text, False) for path, text in self.files_to_sign if "$" in text]
        return [item for item in found if len(item[1]) <= LONGEST]

    @lazy
    def registries(self) -> list[Part]:
        """The settings of how a registry is reached."""
        return [
            *self._at_levels("registryTLS"),
            *present(self.builds, "baseImageRegistryTLS"),
            *present(self.signs, "unsignedImageRegistryTLS"),
        ]

    @lazy
    def mounts(self) -> list[tuple[Part, Part]]:
        """The volume mounts of the plugins' containers, each with its plugin."""
        return [
            (plugin, mount)
            for plugin in self.plugins
            for key in ("container", "initContainer")
            for mount in plugin.map(key).maps("volumeMounts")
        ]

    @lazy
    def to_remove(self) -> list[tuple[Part, list[tuple[FieldPath, str]]]]:
        """The modules of the kernel to remove, by level."""
        levels = self.levels if _REMOVALS & self.fields else []
        return [(level, found) for level in levels if (found := _removed(level))]

    @lazy
    def raw_arguments(self) -> list[tuple[FieldPath, list[str]]]:
        """The argument vectors of modprobe that are given as a whole."""
        raw = self.modprobe.optional("rawArgs")
        if raw is None:
            return []
        return [((*raw.path, key), raw.strings(key)) for key in ("load", "unload")]

    @lazy
    def arguments(self) -> list[tuple[FieldPath, list[str]]]:
        """The arguments of modprobe, whole vectors and those that are added."""
        more = self.modprobe.optional("args")
        if more is None:
            return self.raw_arguments
        added = [((*more.path, key), more.strings(key)) for key in ("load", "unload")]
        return [*self.raw_arguments, *added]

    @lazy
    def parameters(self) -> list[tuple[FieldPath, str]]:
        """The parameters of the module that is loaded."""
        return self.modprobe.texts("parameters")


IN_KERNEL_NAMES = lazy_regex(r"[A-Za-z0-9._+~-]*")
"""The characters of `uname -r`."""

is_one_kernel = kept(re.compile(r"\^(?:[\w-]|\\[.+-])*\$").fullmatch)


class _Variables(dict[str, frozenset[str] | None]):
    """The variables that an image asks for, by its text, which many mappings inherit; None where it cannot be told."""

    def __missing__(self, image: str) -> frozenset[str] | None:
        found = None
        if len(image) <= LONGEST:
            with suppress(BadTemplate):  # another rule says so
                found = names(image)
        self[image] = found
        return found


def is_made(level: Part) -> bool:
    """Return whether a level builds the image, or signs files that are named after one kernel."""
    if type(level.value.get("build")) is dict:
        return True
    sign = level.value.get("sign")
    files = sign.get("filesToSign") if type(sign) is dict else None
    return type(files) is list and any(type(file) is str and "KERNEL_" in file for file in files)


def _named(parts: list[Part], key: str) -> list[tuple[FieldPath, str]]:
    return [((*part.path, key), image) for part in parts if (image := part.text(key))]


_REMOVALS = frozenset(("inTreeModuleToRemove", "inTreeModulesToRemove"))


def _removed(level: Part) -> list[tuple[FieldPath, str]]:
    """The modules to remove at one level, with their paths: a list, or the deprecated field for one name."""
    single = level.text("inTreeModuleToRemove")
    own = [((*level.path, "inTreeModuleToRemove"), single)] if single else []
    return own + level.texts("inTreeModulesToRemove")
