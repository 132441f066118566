"""DaemonSets that kmodgate rendered: what their loader is told to load, and the fields that stand in no other pod."""

from __future__ import annotations

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.deliveries.daemonset.pods import OWN_VARIABLES, OWN_VOLUMES
from kmodgate.renderer.fleet.json_parts import items_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.translating.commands.load_commands import Loading
from kmodgate.renderer.importer.translating.containers import variables
from kmodgate.renderer.importer.translating.draft import name_of

LOADER = "load"
"""The container that loads, in DaemonSets of ours."""
HOLDER = "kernel-module"
PLUGIN_INIT = "device-plugin-init"


def rendered_loading(container: JsonMap) -> Loading:
    """Return what the settings of the script in a loader of ours say."""
    texts = {
        name.removeprefix(OWN_VARIABLES): text.replace("$$(", "$(")
        for name, text in variables(container).items() if name.startswith(OWN_VARIABLES)
    }  # fmt: skip
    lines = {name: [line for line in text.split("\n") if line] for name, text in texts.items()}
    order = lines.get("MODULES", [])
    keys = {"load": "LOAD_ARGS", "unload": "UNLOAD_ARGS"}
    arguments: JsonMap = {key: list[Json](lines[name]) for key, name in keys.items() if name in lines}
    modprobe: JsonMap = {
        **({"moduleName": order[0]} if order else {}),
        **({"dirName": texts["DIR"]} if texts.get("DIR", "/opt") != "/opt" else {}),
        **({"parameters": list[Json](lines["PARAMETERS"])} if "PARAMETERS" in lines else {}),
        **({"rawArgs" if "RAW" in texts else "args": arguments} if arguments else {}),
        **({"modulesLoadingOrder": list[Json](order)} if len(order) > 1 else {}),
        **({"firmwarePath": texts["FIRMWARE"]} if "FIRMWARE" in texts else {}),
    }
    result = Loading(modules=list(reversed(order)), directory=texts.get("DIR", "/opt"), whole=modprobe)
    result.removed = lines.get("REMOVE", [])
    return result


def without_own(items: Json, key: str) -> list[Json]:
    """Return variables, volumes or mounts without those that every loader of ours has."""
    if key == "env":
        return [item for item in items_of(items) if not str(name_of(item)).startswith(OWN_VARIABLES)]
    return [item for item in items_of(items) if name_of(item) not in OWN_VOLUMES]


def firmware_folder(container: JsonMap) -> str:
    """Return the folder of the node that firmware is copied to; empty where none is."""
    return variables(container).get(f"{OWN_VARIABLES}FIRMWARE_HOST", "")
