"""Parts of a Module as plain data, for those who look at many of them and ask of none where it stands."""

from __future__ import annotations

from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Map, maps_in

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
