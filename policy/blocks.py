"""Parts of a Module as plain data, for those who look at many of them and ask of none where it stands."""

from __future__ import annotations

from collections.abc import Iterable

from policy.views import Map, ModuleView, lazy, map_in, maps_in, text_in


class Blocks:
    """The blocks of a Module, and the names of what they refer to. Parts of another shape than theirs are left out."""

    def __init__(self, module: ModuleView) -> None:
        self._spec = module.spec.value
        self.container = module.container.value

    @lazy
    def mappings(self) -> list[Map]:
        return maps_in(self.container, "kernelMappings")

    @lazy
    def builds(self) -> list[Map]:
        return self._levels("build")

    @lazy
    def signs(self) -> list[Map]:
        return self._levels("sign")

    @lazy
    def plugins(self) -> list[Map]:
        return [part for key in ("devicePlugin", "dra") if type(part := self._spec.get(key)) is dict]

    @lazy
    def volume_names(self) -> list[str]:
        return [text_in(volume, "name") for plugin in self.plugins for volume in maps_in(plugin, "volumes")]

    def _levels(self, key: str) -> list[Map]:
        return [block for level in (self.container, *self.mappings) if type(block := level.get(key)) is dict]

    # -- names of other objects, each once ------------------------------------------------------------

    @lazy
    def dockerfiles(self) -> list[str]:
        """Those of the ConfigMaps that images are built from."""
        return _names(map_in(block, "dockerfileConfigMap") for block in self.builds)

    @lazy
    def keys(self) -> list[str]:
        """Those of the Secrets with a private key to sign with."""
        return _names(map_in(block, "keySecret") for block in self.signs)

    @lazy
    def certificates(self) -> list[str]:
        """Those of the Secrets with a certificate to sign with."""
        return _names(map_in(block, "certSecret") for block in self.signs)

    @lazy
    def references(self) -> set[tuple[str, str]]:
        """Kind and name of what `policy.references` finds, without where it is named."""
        more = [map_in(self._spec, "imageRepoSecret")]
        more += [secret for block in self.builds for secret in maps_in(block, "secrets")]
        accounts = [map_in(self._spec, "moduleLoader"), *self.plugins]
        found = {("Secret", name) for names in (self.keys, self.certificates, _names(more)) for name in names}
        found.update([("ConfigMap", name) for name in self.dockerfiles])
        found.update([("ServiceAccount", name) for part in accounts if (name := text_in(part, "serviceAccountName"))])
        return found


def _names(parts: Iterable[Map]) -> list[str]:
    names = dict.fromkeys([part.get("name") for part in parts])
    return [name for name in names if type(name) is str and name]
