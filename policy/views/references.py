"""What a Module names of its namespace: what it is built, signed, pulled and run with."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Part


def references(module: ModuleView) -> Iterator[tuple[Part, str, str, str]]:
    """Part and key of the field, kind and name of each Secret, ConfigMap and ServiceAccount.

    All of them are in the Module's namespace.
    """
    places: list[tuple[Part, str, str]] = [(module.spec.map("imageRepoSecret"), "name", "Secret")]
    for build in module.builds:
        places.append((build.map("dockerfileConfigMap"), "name", "ConfigMap"))
        places += [(secret, "name", "Secret") for secret in build.maps("secrets")]
    for sign in module.signs:
        places += [(sign.map(key), "name", "Secret") for key in ("keySecret", "certSecret")]
    if module.loader:
        places.append((module.loader, "serviceAccountName", "ServiceAccount"))
    places += [(plugin, "serviceAccountName", "ServiceAccount") for plugin in module.plugins]
    for part, key, kind in places:
        if name := part.text(key):
            yield part, key, kind, name
