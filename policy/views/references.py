"""The objects of its namespace that a Module names: what it is built, signed, pulled and run with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Part

Role = Literal["pull secret", "Dockerfile", "build secret", "signing key", "certificate", "account"]


class Reference(NamedTuple):
    """One object that a Module names: the part and key of the field, the object's kind and name, and what it is for."""

    part: Part
    key: str
    kind: str
    name: str
    role: Role


def references(module: ModuleView) -> Iterator[Reference]:
    """Yield each Secret, ConfigMap and ServiceAccount that a Module names, all of them of its namespace."""
    for part, key, kind, role in _places(module):
        if name := part.text(key):
            yield Reference(part, key, kind, name, role)


def _places(module: ModuleView) -> Iterator[tuple[Part, str, str, Role]]:
    if (pull := module.spec.optional("imageRepoSecret")) is not None:
        yield pull, "name", "Secret", "pull secret"
    for build in module.builds:
        yield build.map("dockerfileConfigMap"), "name", "ConfigMap", "Dockerfile"
        for secret in build.maps("secrets"):
            yield secret, "name", "Secret", "build secret"
    for sign in module.signs:
        yield sign.map("keySecret"), "name", "Secret", "signing key"
        yield sign.map("certSecret"), "name", "Secret", "certificate"
    for part in (*((module.loader,) if module.loader else ()), *module.plugins):
        yield part, "serviceAccountName", "ServiceAccount", "account"
