"""What a node loads at boot → the Ignition config of its machine configuration: units, scripts, settings.

Two units, as those of Red Hat's day-1 utility, under names and paths of the driver, so that a pool takes several: one
loads before the network is up, the other pulls what is missing afterwards, and reboots once.

Sources: internal/mcfg of rh-ecosystem-edge/kernel-module-management, whose variables the units share; the specification
of Ignition 3.2.0; systemd.exec(5) for quoting.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.deliveries.boot.boot_settings import BootSettings
from kmodgate.renderer.fleet.specs import JsonMap

VERSION = "3.2.0"
_SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
_AUTH_FILE = "/var/lib/kubelet/config.json"


def ignition(settings: BootSettings) -> JsonMap:
    """Return the Ignition config, version 3.2.0."""
    name = f"kmodgate-boot-{settings.driver}"
    return {
        "ignition": {"version": VERSION},
        "storage": {
            "files": [
                _script(f"/usr/local/bin/{name}-load.sh", "boot-load.sh"),
                _script(f"/usr/local/bin/{name}-pull.sh", "boot-pull.sh"),
                _text(_worker_config_path(settings), _worker_config(settings)),
                *([_text(f"/etc/modprobe.d/{name}.conf", _blacklist(settings))] if settings.blacklist else []),
            ]
        },
        "systemd": {
            "units": [
                {"name": f"{name}-load.service", "enabled": True, "contents": _load_unit(settings, name)},
                {"name": f"{name}-pull.service", "enabled": True, "contents": _pull_unit(settings, name)},
                # it would wipe the images of the node after an upgrade, before anything is loaded out of them
                {"name": "crio-wipe.service", "enabled": False, "mask": True},
            ]
        },
    }


def _load_unit(settings: BootSettings, name: str) -> str:
    return _unit(
        f"Load kernel module {settings.module} before the network is up (driver {settings.driver})",
        [
            "DefaultDependencies=no",
            "After=local-fs.target",
            "RequiresMountsFor=/var/lib/containers",
            "Before=network-pre.target",
            "Wants=network-pre.target",
        ],
        {
            **_common(settings),
            "IN_TREE_MODULES_TO_REMOVE": " ".join(settings.removals),
            "MODULES_DIR": str(settings.modprobe["dirName"]),
            "FIRMWARE_FILES_PATH": settings.firmware,
            "WORKER_CONFIG": _worker_config_path(settings),
        },
        f"/usr/local/bin/{name}-load.sh",
        60,
    )


def _pull_unit(settings: BootSettings, name: str) -> str:
    return _unit(
        f"Pull the image of kernel module {settings.module} (driver {settings.driver})",
        ["After=network-online.target NetworkManager-dispatcher.service", "Wants=network-online.target"],
        {**_common(settings), "AUTH_FILE": _AUTH_FILE},
        f"/usr/local/bin/{name}-pull.sh",
        900,
    )


def _common(settings: BootSettings) -> dict[str, str]:
    image = settings.image
    tag = {"TAG_PREFIX": image.prefix, "TAG_SUFFIX": image.suffix}
    return {
        "DRIVER": settings.driver,
        "KERNEL_MODULE": settings.module,
        "KERNEL_MODULE_IMAGE": image.name,
        **{key: value for key, value in tag.items() if value},
        "WORKER_IMAGE": settings.worker_image,
    }


def _unit(description: str, order: list[str], variables: dict[str, str], command: str, seconds: int) -> str:
    environment = (f'Environment="{key}={value.replace("%", "%%")}"' for key, value in variables.items())
    lines = [
        "[Unit]",
        f"Description={description}",
        *order,
        "",
        "[Service]",
        "Type=oneshot",
        "EnvironmentFile=-/etc/mco/proxy.env",
        *environment,
        f"ExecStart={command}",
        "PrivateTmp=yes",
        f"TimeoutSec={seconds}",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _worker_config_path(settings: BootSettings) -> str:
    return f"/etc/kmodgate/boot-{settings.driver}.yaml"


def _worker_config(settings: BootSettings) -> str:
    """What KMM's worker is told; the script puts the image before it. JSON is YAML, whatever the values are."""
    config: dict[str, Json] = {"modprobe": settings.modprobe}
    if settings.removals:
        config["inTreeModulesToRemove"] = list(settings.removals)
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items())


def _blacklist(settings: BootSettings) -> str:
    return "".join(f"blacklist {name}\n" for name in settings.blacklist)


def _script(path: str, name: str) -> JsonMap:
    encoded = base64.b64encode((_SCRIPTS / name).read_bytes()).decode()
    return _file(path, 0o755, f"data:text/plain;charset=utf-8;base64,{encoded}")


def _text(path: str, text: str) -> JsonMap:
    return _file(path, 0o644, f"data:,{quote(text)}")


def _file(path: str, mode: int, source: str) -> JsonMap:
    return {
        "path": path,
        "mode": mode,
        "overwrite": True,
        "user": {"name": "root"},
        "contents": {"source": source},
    }
