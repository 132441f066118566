"""What is unusual in several places at once, where each is of its usual form."""

from __future__ import annotations

from kmodgate.policy.views.module_blocks import Blocks
from kmodgate.policy.views.part import map_in, maps_in, text_in


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
