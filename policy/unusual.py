"""What of a Module is not as it usually is: only then do rules look closer.

Most Modules are sound, and most rules would look at the same few places to find nothing. These places are looked at
here, each once, as plain data. A rule may need something unusual only if it finds nothing in what is usual. What is
usual may be much narrower than what is sound: a Module that is sound in an unusual way only takes longer.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from policy.kmm.structure import MAX_ANNOTATIONS
from policy.views import Map, ModuleView, lazy, map_in, maps_in, text_in

CONTROL_PLANE = frozenset(("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"))
CORDON = "node.kubernetes.io/unschedulable"


def _form(expression: str) -> Callable[[str], object]:
    """Whether a text is of a form, and no longer than texts of its sort are.

    Nothing is kept: that would hold what objects say in memory, and saves a tenth of a microsecond.
    """
    return re.compile(rf"(?!(?s:.){{256}})(?:{expression})", re.ASCII).fullmatch


_WORD = r"[a-z0-9]+(?:[.-][a-z0-9]+)*"
_KERNEL = r"\$\{KERNEL_(?:FULL_VERSION|VERSION|XYZ|X|Y|Z)\}"
_VERSION = rf"v?[0-9][\w.-]{{0,60}}|(?:\w[\w.-]{{0,60}})?{_KERNEL}"
_DIGEST = r"@sha256:[0-9a-f]{64}"

_is_usual_name = _form(r"[a-z0-9]+(?:-[a-z0-9]+)*(?<!-preflight)")
_is_usual_key = _form(rf"(?:{_WORD}/)?[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*(?<!.{{64}})")
_is_usual_label = _form(r"(?:[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*)?(?<!.{64})")
_is_usual_regexp = _form(r"\^\w(?:[\w-]|\\[.-]|(?:\.|\\d|\[0-9\])[*+])*\$")
_is_usual_kernel = _form(r"[\w.~-]+")
_is_usual_module = _form(r"\w[\w-]*")
_is_usual_folder = _form(r"(?:/[\w+-][\w.+-]*)+")
_is_usual_image = _form(rf"{_WORD}(?::[0-9]+)?(?:/{_WORD})+(?::(?:{_VERSION})(?:{_DIGEST})?|{_DIGEST})")
_is_usual_argument = _form(r"(?!KERNEL_|MOD_|DTK_|\w*(?:PASS|SECRET|TOKEN|KEY|CREDENTIAL))[A-Z0-9_]+")
_is_usual_file = _form(rf"(?:/(?:[\w+-][\w.+-]*|{_KERNEL}))*/[\w+-]+\.ko")
_is_usual_secret = _form(r"[a-z0-9]+(?:-[a-z0-9]+)*(?<!.{57})")
_is_usual_host_path = _form(r"/(?:dev|sys|opt)(?:/[\w-]+)+|/var/lib/kubelet/device-plugins")

_MODPROBE = {"moduleName", "dirName", "firmwarePath"}
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_WHOLE_KERNEL = "${KERNEL_FULL_VERSION}"
_MOST_KEYS = 100
_MOST_ANNOTATIONS = MAX_ANNOTATIONS // 8  # characters, of which one may have four bytes; the rest is for the keys


class Unusual:
    """What rules may need of a Module. All of it is false for a Module of the usual form.

    The blocks, and what they refer to, are there for rules by facts, which look for what is not usual in the cluster.
    """

    def __init__(self, module: ModuleView) -> None:
        self._metadata = module.metadata.value
        self._spec = module.spec.value
        self._container = module.container.value
        self._modprobe = module.modprobe.value
        self.mapping_blocks = maps_in(self._container, "kernelMappings")
        self._levels = [self._container, *self.mapping_blocks]
        self.build_blocks = [block for level in self._levels if type(block := level.get("build")) is dict]
        self.sign_blocks = [block for level in self._levels if type(block := level.get("sign")) is dict]
        self._plugins = [part for key in ("devicePlugin", "dra") if type(part := self._spec.get(key)) is dict]
        self._containers = [
            part
            for plugin in self._plugins
            for key in ("container", "initContainer")
            if type(part := plugin.get(key)) is dict
        ]
        self._keys = set[str]().union(*self._levels, *self.build_blocks, *self.sign_blocks, *self._containers)

    @lazy
    def references(self) -> set[tuple[str, str]]:
        """Kind and name of what `policy.references` finds, without where it is named."""
        secrets = [map_in(self._spec, "imageRepoSecret")]
        secrets += [map_in(block, key) for block in self.sign_blocks for key in ("keySecret", "certSecret")]
        secrets += [secret for block in self.build_blocks for secret in maps_in(block, "secrets")]
        found = {("Secret", text_in(secret, "name")) for secret in secrets}
        found |= {("ConfigMap", name) for name in self.dockerfiles}
        found |= {("ServiceAccount", text_in(part, "serviceAccountName")) for part in self._plugins}
        found.add(("ServiceAccount", text_in(map_in(self._spec, "moduleLoader"), "serviceAccountName")))
        return {(kind, name) for kind, name in found if name}

    @lazy
    def dockerfiles(self) -> set[str]:
        """The names of the ConfigMaps that images are built from."""
        return {text_in(map_in(block, "dockerfileConfigMap"), "name") for block in self.build_blocks}

    def secrets_to_sign(self, key: str) -> list[str]:
        """The names of the Secrets below `keySecret` or `certSecret`, each once."""
        names = dict.fromkeys([text_in(map_in(block, key), "name") for block in self.sign_blocks])
        return [name for name in names if name]

    # -- the object and where it runs ---------------------------------------------------------

    @lazy
    def name(self) -> bool:
        name, namespace = text_in(self._metadata, "name"), text_in(self._metadata, "namespace")
        return len(name) + len(namespace) > 40 or not (_is_usual_name(name) and _is_usual_name(namespace))

    @lazy
    def structure(self) -> bool:
        """Whether the API server may refuse what the schema allows."""
        labels, annotations = map_in(self._metadata, "labels"), map_in(self._metadata, "annotations")
        return (
            self.name
            or "generateName" in self._metadata
            or not all([_is_usual_key(key) for key in (*labels, *annotations)])
            or not all([type(value) is str and _is_usual_label(value) for value in labels.values()])
            or sum([len(value) for value in annotations.values() if type(value) is str]) > _MOST_ANNOTATIONS
            or len(annotations) > _MOST_KEYS
            or self._spec.keys() >= {"dra", "devicePlugin"}
            or any(["claims" in map_in(map_in(plugin, key), "resources") for plugin in self._plugins for key in plugin])
        )

    @lazy
    def selector(self) -> bool:
        selector = map_in(self._spec, "selector")
        return not selector or not CONTROL_PLANE.isdisjoint(selector)

    @lazy
    def tolerations(self) -> bool:
        return not all([_is_usual_toleration(item) for item in maps_in(self._spec, "tolerations")])

    # -- kernel mappings ----------------------------------------------------------------------

    @lazy
    def mappings(self) -> bool:
        has_image = bool(text_in(self._container, "containerImage"))
        return not all([_is_usual_mapping(item, has_image=has_image) for item in self.mapping_blocks])

    @lazy
    def overlaps(self) -> bool:
        """Whether a mapping may match what another one does, beyond what two expressions have in common."""
        if self.mappings or self._keys >= {"literal", "regexp"}:
            return True
        key = "literal" if "literal" in self._keys else "regexp"
        return len({item[key] for item in self.mapping_blocks}) < len(self.mapping_blocks)

    @lazy
    def removals(self) -> bool:
        return "inTreeModulesToRemove" in self._keys or "inTreeModuleToRemove" in self._keys

    # -- modprobe -----------------------------------------------------------------------------

    @lazy
    def modprobe(self) -> bool:
        return not (_is_usual_module(text_in(self._modprobe, "moduleName")) and self._modprobe.keys() <= _MODPROBE)

    @lazy
    def folders(self) -> bool:
        folders = [text for key in ("dirName", "firmwarePath") if (text := text_in(self._modprobe, key))]
        return not all([_is_usual_folder(text) for text in folders])

    # -- images -------------------------------------------------------------------------------

    @lazy
    def images(self) -> bool:
        """Whether there is an image other than `registry/path:version`, or with a variable where KMM fills none."""
        unsigned = [text for sign in self.sign_blocks if (text := text_in(sign, "unsignedImage"))]
        run = [text for container in self._containers if (text := text_in(container, "image"))]
        are_usual = all([_is_usual_image(text) for text in (*self._loaded_images, *unsigned, *run)])
        return not are_usual or any(["$" in text for text in run])

    @lazy
    def shared_images(self) -> bool:
        """Whether an image that is built or signed may be that of several kernels."""
        if not self.build_blocks and not self.sign_blocks:
            return False
        return self.images or self.mappings or not all([_WHOLE_KERNEL in image for image in self._loaded_images])

    @lazy
    def pushed_digests(self) -> bool:
        return any(["@" in image for image in self._loaded_images])

    @lazy
    def _loaded_images(self) -> list[str]:
        return [text for level in self._levels if (text := text_in(level, "containerImage"))]

    @lazy
    def unsigned_images(self) -> bool:
        return "unsignedImage" in self._keys

    @lazy
    def templates(self) -> bool:
        return self.images or self.files

    @lazy
    def untouched_texts(self) -> bool:
        """Whether there may be variables where KMM fills none."""
        return self.images or self.folders or "parameters" in self._modprobe

    @lazy
    def registries(self) -> bool:
        return not self._keys.isdisjoint(("registryTLS", "baseImageRegistryTLS", "unsignedImageRegistryTLS"))

    @lazy
    def pull_policies(self) -> bool:
        return "imagePullPolicy" in self._keys

    # -- building and signing -----------------------------------------------------------------

    @lazy
    def builds(self) -> bool:
        return not all(
            [
                build.get("selector") and text_in(map_in(build, "dockerfileConfigMap"), "name")
                for build in self.build_blocks
            ]
        )

    @lazy
    def build_arguments(self) -> bool:
        names = {
            name
            for build in self.build_blocks
            if type(arguments := build.get("buildArgs")) is list
            for argument in arguments
            if type(argument) is dict and type(name := argument.get("name")) is str
        }
        return not all([_is_usual_argument(name) for name in names])

    @lazy
    def merged_blocks(self) -> bool:
        """Whether a mapping adds to a block of the container."""
        merges_build = len(self.build_blocks) > 1 and "build" in self._container
        return merges_build or (len(self.sign_blocks) > 1 and "sign" in self._container)

    @lazy
    def files(self) -> bool:
        """Whether a file to sign is not below dirName, no plain path, or missing."""
        start = f"{text_in(self._modprobe, 'dirName')}/"
        files = [sign.get("filesToSign") for sign in self.sign_blocks]
        return not all([_are_usual_files(item, start) for item in files])

    @lazy
    def unsigned_modules(self) -> bool:
        """Whether a block to sign may lack the module that is loaded."""
        if not self.sign_blocks or self.modprobe or self.files:
            return bool(self.sign_blocks)
        file = f"/{self._modprobe['moduleName']}.ko"
        return not all([any([path.endswith(file) for path in sign["filesToSign"]]) for sign in self.sign_blocks])

    @lazy
    def unbuilt_signs(self) -> bool:
        """Whether what is signed may not be built."""
        is_built = type(self._container.get("build")) is dict or len(self.build_blocks) == len(self.mapping_blocks)
        return bool(self.sign_blocks) and not is_built

    @lazy
    def secrets(self) -> bool:
        return "secrets" in self._keys or not all([_has_usual_secrets(sign) for sign in self.sign_blocks])

    # -- plugins ------------------------------------------------------------------------------

    @lazy
    def volumes(self) -> bool:
        """Whether a volume's name may be taken."""
        names = self._volume_names
        return len(set(names)) < len(names) or any([name.startswith(("kubelet-", "cdi")) for name in names])

    @lazy
    def host_paths(self) -> bool:
        mounts = [mount for volume in self._volumes if type(mount := volume.get("hostPath")) is dict]
        return not all([_is_usual_host_path(text_in(mount, "path")) for mount in mounts])

    @lazy
    def mounts(self) -> bool:
        """Whether something is mounted of no volume, where something else is mounted, or over a token."""
        volumes = set(self._volume_names)
        for container in self._containers:
            mounts = maps_in(container, "volumeMounts")
            paths = {text_in(mount, "mountPath") for mount in mounts}
            if len(paths) < len(mounts) or any(["secrets" in path for path in paths]):
                return True
            if not all([text_in(mount, "name") in volumes for mount in mounts]):
                return True
        return False

    @lazy
    def _volumes(self) -> list[Map]:
        return [volume for plugin in self._plugins for volume in maps_in(plugin, "volumes")]

    @lazy
    def _volume_names(self) -> list[str]:
        return [text_in(volume, "name") for volume in self._volumes]


def _is_usual_toleration(item: Map) -> bool:
    """A toleration of one taint of the nodes, whatever its value."""
    key = text_in(item, "key")
    if item.get("operator") != "Exists" or "value" in item or "tolerationSeconds" in item or key == CORDON:
        return False
    return item.get("effect", "NoSchedule") in _EFFECTS and _is_usual_key(key) is not None


def _is_usual_mapping(item: Map, *, has_image: bool) -> bool:
    literal, regexp = text_in(item, "literal"), text_in(item, "regexp")
    if not has_image and not text_in(item, "containerImage"):
        return False
    return bool(not literal and _is_usual_regexp(regexp) if regexp else _is_usual_kernel(literal))


def _are_usual_files(files: object, start: str) -> bool:
    if type(files) is not list or not files:
        return False
    return all([type(file) is str and file.startswith(start) and _is_usual_file(file) for file in files])


def _has_usual_secrets(sign: Map) -> bool:
    """Whether key and certificate are in two Secrets whose names are not odd."""
    key, certificate = text_in(map_in(sign, "keySecret"), "name"), text_in(map_in(sign, "certSecret"), "name")
    return key != certificate and bool(_is_usual_secret(key) and _is_usual_secret(certificate))
