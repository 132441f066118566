"""Parts of a Module as plain data, for those who look at many of them and ask of none where it stands."""

from __future__ import annotations

from kmodgate.policy.views.module import Map, ModuleView, map_in, maps_in, text_in

Names = dict[str, None]
"""Names of other objects, each once."""


class Blocks:
    """The blocks of a Module, and the names of what they refer to. Parts of another shape than theirs are left out.

    `matches` are literal and expression of each mapping. `dockerfiles` are the ConfigMaps that images are built from,
    `keys` and `certificates` the Secrets to sign with; `secrets` are all Secrets, these among them, and `accounts` the
    ServiceAccounts: with the dockerfiles, all that `policy.views.references` finds.
    """

    def __init__(self, module: ModuleView) -> None:
        spec, container = module.spec.value, module.container.value
        self.container = container
        self.mappings = maps_in(container, "kernelMappings")
        self.plugins = [part for key in ("devicePlugin", "dra") if type(part := spec.get(key)) is dict]
        self.matches: list[tuple[str, str]] = []
        self.builds: list[Map] = []
        self.signs: list[Map] = []
        self.dockerfiles: Names = {}
        self.keys: Names = {}
        self.certificates: Names = {}
        self.secrets: Names = {}
        self.accounts: Names = {}
        self._read(container)
        for mapping in self.mappings:
            literal, regexp = mapping.get("literal"), mapping.get("regexp")
            self.matches.append((literal if type(literal) is str else "", regexp if type(regexp) is str else ""))
            self._read(mapping)
        self.secrets |= self.keys | self.certificates
        _add(self.secrets, spec.get("imageRepoSecret"), "name")
        for part in (spec.get("moduleLoader"), *self.plugins):
            _add(self.accounts, part, "serviceAccountName")

    def _read(self, level: Map) -> None:
        """Takes what the container, or a mapping, is built and signed with."""
        if type(block := level.get("build")) is dict:
            self.builds.append(block)
            _add(self.dockerfiles, block.get("dockerfileConfigMap"), "name")
            if "secrets" in block:
                for secret in maps_in(block, "secrets"):
                    _add(self.secrets, secret, "name")
        if type(block := level.get("sign")) is dict:
            self.signs.append(block)
            _add(self.keys, block.get("keySecret"), "name")
            _add(self.certificates, block.get("certSecret"), "name")


def _add(names: Names, part: object, key: str) -> None:
    if type(part) is dict and type(name := part.get(key)) is str and name:
        names[name] = None


# -- what is unusual in several places at once, where each is of its usual form (policy.shortcut) ----


def are_usual(blocks: Blocks) -> bool:
    """Whether nothing is unusual about the blocks of a Module of the usual forms."""
    return not (overlap(blocks) or sign_oddly(blocks) or mount_oddly(blocks))


def overlap(blocks: Blocks) -> bool:
    """Whether two mappings are for one kernel or expression, or some are for kernels and some for expressions."""
    seen: set[tuple[str, str]] = set()
    for match in blocks.matches:
        if match in seen or bool(match[0]) != bool(blocks.matches[0][0]):
            return True
        seen.add(match)
    return False


def sign_oddly(blocks: Blocks) -> bool:
    """Whether key and certificate are in one Secret somewhere, or the module that is loaded is not among the files."""
    file = f"/{blocks.container['modprobe']['moduleName']}.ko" if blocks.signs else ""
    for sign in blocks.signs:
        if sign["keySecret"] == sign["certSecret"]:
            return True
        for path in sign["filesToSign"]:
            if path.endswith(file):
                break
        else:
            return True
    return False


def mount_oddly(blocks: Blocks) -> bool:
    """Whether a volume's name may be taken, or a mount is of no volume, where another one is, or over a token."""
    for plugin in blocks.plugins:
        volumes: set[str] = set()
        for volume in maps_in(plugin, "volumes"):
            name = text_in(volume, "name")
            if name in volumes or name.startswith(("kubelet-", "cdi")):
                return True
            volumes.add(name)
        for key in ("container", "initContainer"):
            paths: set[str] = set()
            for mount in maps_in(map_in(plugin, key), "volumeMounts"):
                path = text_in(mount, "mountPath")
                if path in paths or "secrets" in path or text_in(mount, "name") not in volumes:
                    return True
                paths.add(path)
    return False
