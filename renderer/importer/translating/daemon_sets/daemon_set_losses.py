"""DaemonSets that load drivers, compared with those that render writes for the same nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kmodgate.policy.findings import Finding
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.importer.translating.daemon_sets.pods import POD, LoaderPod
from kmodgate.renderer.wording import listed

_FIX = "compare what render writes with the object, and mend the spec where it matters"


def lost_of_daemon_sets(found: Found, objects: Objects, rendered: Iterable[JsonMap]) -> Iterator[Finding]:
    """Yield the DaemonSets of a driver in whose place render writes none, or one of another image.

    Where render writes none at all, it says why.
    """
    pods = [_pod(value) for value in rendered]
    for original in found.made_of if pods else ():
        old = LoaderPod(original, objects)
        if original.identity.kind != "DaemonSet" or old.loader is None:
            continue
        selector = {key: value for key, (value, _) in old.selector.items()}
        images = {_image(pod) for pod in pods if selector.items() <= map_of(pod.get("nodeSelector")).items()}
        image = str(old.loader.value.get("image", ""))
        if not images:
            message = "not carried over: the cluster has no nodes with these labels and this kernel"
            fix = "add the kernel to the nodeGroups of the cluster, if nodes run it"
            yield original.lost("IMP002", (*POD, "nodeSelector"), message, fix)
        elif image not in images:
            message = f"not carried over: render takes {listed(sorted(images))}"
            yield original.lost("IMP002", (*old.loader.path, "image"), message, _FIX)


def _pod(value: JsonMap) -> JsonMap:
    return map_of(map_of(map_of(value.get("spec")).get("template")).get("spec"))


def _image(pod: JsonMap) -> str:
    return str(map_of(next(iter(items_of(pod.get("initContainers"))), None)).get("image"))
