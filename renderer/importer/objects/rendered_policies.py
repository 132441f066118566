"""The policy that render puts into the tree of a cluster → the drivers whose images are signed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmodgate.policy.formats.yaml_documents import parse
from kmodgate.renderer.compile.policy_config_map import CONFIG_MAP
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.importer.objects.companions import builds
from kmodgate.renderer.importer.objects.modules import Driver
from kmodgate.renderer.importer.objects.reading import Objects


def signed_elsewhere(objects: Objects) -> frozenset[str]:
    """Return namespace and name of the drivers whose images somebody signs before they are pushed.

    Those with a certificate are left out: no object has its file.
    """
    policies = [found for found in objects.values() if found.identity.kind == "ConfigMap"]
    named = [found for found in policies if found.identity.name == CONFIG_MAP]
    texts = [str(map_of(found.value.get("data")).get("policy.yaml")) for found in named]
    return frozenset(driver for text in texts for driver in _drivers(text))


def _drivers(text: str) -> Iterator[str]:
    for document in parse(text, CONFIG_MAP)[0]:
        parameters = map_of(map_of(map_of(document.value).get("spec")).get("parameters"))
        for entry in map(map_of, items_of(parameters.get("signedElsewhere"))):
            if not entry.keys() & {"fingerprint", "modules"}:
                yield str(entry.get("driver"))


def with_prebuilt(driver: Driver, signed: frozenset[str]) -> Driver:
    """Return a driver that says so if its images are signed elsewhere; what the cluster builds or signs is not."""
    spec = driver.spec
    mappings = map(map_of, items_of(spec.get("kernelMappings")))
    is_made = any(builds(spec)) or "sign" in spec or any("sign" in mapping for mapping in mappings)
    if is_made or f"{driver.namespace}/{driver.name}" not in signed:
        return driver
    return replace(driver, spec={**spec, "sign": {"prebuilt": True}})
