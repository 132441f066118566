"""A node in a folder: the scripts of boot run on it, with stand-ins for the programs that they call.

podman knows images by their names and what they hold, modprobe loads and unloads by folders below sys/module.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.fleets import REPOSITORY

SCRIPTS = REPOSITORY / "renderer/deliveries/scripts"
KERNEL = "5.14.0-570.39.1.el9_6.x86_64"
IMAGE = f"quay.io/acme/ice:1.0-{KERNEL}"
WORKER = "quay.io/acme/worker:2.6"

_STAND_INS = {
    "uname": 'cat "$NODE/kernel"',
    "modprobe": """
echo "modprobe $*" >>"$NODE/log"
[ "$1" != irdma ] || exit 1
mkdir -p "$SYSTEM_ROOT/sys/module/$1"
""",
    "podman": """
echo "podman $*" >>"$NODE/log"
case "$1 $2" in
"image exists") [ -e "$NODE/images/${3//\\//_}" ] ;;
"pull --authfile") [ -e "$NODE/registry/${4//\\//_}" ] && cp "$NODE/registry/${4//\\//_}" "$NODE/images/" ;;
"run --rm")
    case "$*" in
    *--entrypoint=/bin/sh*) grep -qx "$(cat "$NODE/kernel")" "$NODE/images/${IMAGE//\\//_}" ;;
    *)
        cp "$SYSTEM_ROOT/run/kmodgate-boot/ice/config.yaml" "$NODE/config"
        [ ! -e "$NODE/in-use" ] || exit 1
        for old in $IN_TREE_MODULES_TO_REMOVE; do rm -rf "${SYSTEM_ROOT:?}/sys/module/$old"; done
        [ -e "$NODE/broken" ] || { mkdir -p "$SYSTEM_ROOT/sys/module/ice" && echo ours >"$SYSTEM_ROOT/sys/module/ice/version"; }
        ;;
    esac
    ;;
esac
""",
    "systemctl": """
echo "systemctl $*" >>"$NODE/log"
[ "$1" != show ] || cat "$NODE/dispatcher"
""",
    "sleep": "printf 'ActiveState=inactive\\nResult=success\\n' >\"$NODE/dispatcher\"",
}


class Node:
    """A node with a kernel, images that it has or that its registry has, and modules that are loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        for name in ("images", "registry", "bin", "root"):
            (folder / name).mkdir()
        for name, text in _STAND_INS.items():
            program = folder / "bin" / name
            program.write_text(f"#!/bin/bash\n{text}\n")
            program.chmod(0o755)
        self.kernel = KERNEL
        (folder / "dispatcher").write_text("ActiveState=inactive\nResult=success\n")
        (folder / "worker.yaml").write_text('modprobe: {"moduleName": "ice"}\n')

    @property
    def kernel(self) -> str:
        return (self.folder / "kernel").read_text().strip()

    @kernel.setter
    def kernel(self, version: str) -> None:
        (self.folder / "kernel").write_text(f"{version}\n")

    def has(self, *images: str, where: str = "images", kernel: str = KERNEL) -> None:
        """Put images there that hold modules for a kernel."""
        for image in images:
            (self.folder / where / image.replace("/", "_")).write_text(f"{kernel}\n")

    def drop(self, image: str) -> None:
        (self.folder / "images" / image.replace("/", "_")).unlink()

    def load(self, *modules: str) -> None:
        for module in modules:
            (self.root / "sys/module" / module).mkdir(parents=True)

    def touch(self, name: str) -> None:
        (self.folder / name).write_text("")

    @property
    def loaded(self) -> set[str]:
        """The modules that are loaded; `ice of ours` is the one out of the image."""
        folder = self.root / "sys/module"
        found = folder.iterdir() if folder.is_dir() else ()
        return {f"{path.name} of ours" if (path / "version").exists() else path.name for path in found}

    @property
    def calls(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    def boot(self) -> None:
        """What a reboot takes away: what is loaded, and what lies in /run."""
        subprocess.run(["rm", "-rf", self.root / "sys", self.root / "run", self.folder / "log"], check=True)

    def run(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run one of the scripts as its unit does."""
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "NODE": str(self.folder),
            "SYSTEM_ROOT": str(self.root),
            "IMAGE": f"quay.io/acme/ice:1.0-{self.kernel}",
            "DRIVER": "ice",
            "KERNEL_MODULE": "ice",
            "KERNEL_MODULE_IMAGE": "quay.io/acme/ice",
            "TAG_PREFIX": "1.0-",
            "IN_TREE_MODULES_TO_REMOVE": "irdma ice",
            "MODULES_DIR": "/opt",
            "FIRMWARE_FILES_PATH": "",
            "WORKER_IMAGE": WORKER,
            "WORKER_CONFIG": str(self.folder / "worker.yaml"),
            "AUTH_FILE": "/var/lib/kubelet/config.json",
            **more,
        }
        command = ["bash", str(SCRIPTS / f"boot-{script}.sh")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
