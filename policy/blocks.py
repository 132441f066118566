"""Parts of a Module as plain data, for those who look at many of them and ask of none where it stands."""

from __future__ import annotations

from collections.abc import Iterable

from policy.views import Map, ModuleView, lazy, map_in, maps_in, text_in


class Blocks:
    """The blocks of a Module, and the names of what they refer to. Parts of another shape than theirs are left out."""

    def __init__(self, module: ModuleView) -> None:
        spec, container = module.spec.value, module.container.value
        self.container = container
        self.mappings = maps_in(container, "kernelMappings")
        self.builds: list[Map] = []
        self.signs: list[Map] = []
        for level in (container, *self.mappings):
            if type(block := level.get("build")) is dict:
                self.builds.append(block)
            if type(block := level.get("sign")) is dict:
                self.signs.append(block)
        self.plugins = [part for key in ("devicePlugin", "dra") if type(part := spec.get(key)) is dict]
        self._spec = spec

    @lazy
    def volume_names(self) -> list[str]:
        return [text_in(volume, "name") for plugin in self.plugins for volume in maps_in(plugin, "volumes")]

    # -- names of other objects, each once ------------------------------------------------------------

    @lazy
    def dockerfiles(self) -> list[str]:
        """Those of the ConfigMaps that images are built from."""
        return _named(self.builds, "dockerfileConfigMap")

    @lazy
    def keys(self) -> list[str]:
        """Those of the Secrets with a private key to sign with."""
        return _named(self.signs, "keySecret")

    @lazy
    def certificates(self) -> list[str]:
        """Those of the Secrets with a certificate to sign with."""
        return _named(self.signs, "certSecret")

    @lazy
    def references(self) -> set[tuple[str, str]]:
        """Kind and name of what `policy.references` finds, without where it is named."""
        secrets = [*self.keys, *self.certificates, text_in(map_in(self._spec, "imageRepoSecret"), "name")]
        secrets += [text_in(secret, "name") for block in self.builds for secret in maps_in(block, "secrets")]
        accounts = [text_in(part, "serviceAccountName") for part in (map_in(self._spec, "moduleLoader"), *self.plugins)]
        found = {("Secret", name) for name in secrets if name}
        found.update([("ConfigMap", name) for name in self.dockerfiles])
        found.update([("ServiceAccount", name) for name in accounts if name])
        return found


def _named(blocks: Iterable[Map], key: str) -> list[str]:
    """The names in the references that stand below a key."""
    names: dict[str, None] = {}
    for block in blocks:
        part = block.get(key)
        if type(part) is dict and type(name := part.get("name")) is str and name:
            names[name] = None
    return list(names)
