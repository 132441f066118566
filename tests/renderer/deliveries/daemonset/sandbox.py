"""A node in a folder: a /sys, an image, and stand-ins for kmod on PATH, for the script that loads a driver.

The stand-in for modprobe loads what has a file below lib/modules of the image, refuses to remove what has a reference
count, and writes down how it was called. It is a second later each time that the script asks, however slow the machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

KERNEL = "5.14.0-427.13.1.el9_4.x86_64"
SCRIPT = files("kmodgate.renderer.deliveries").joinpath("scripts", "kernel-module.sh")
SHELLS = tuple(shell for shell in ("dash", "bash --posix", "busybox sh") if shutil.which(shell.split()[0]))

_PROGRAMS = {
    "uname": 'cat "$NODE/kernel"',
    "sleep": "exec /bin/sleep 0.02",
    "date": 'now=$(cat "$NODE/clock" 2>/dev/null || echo 0); echo $((now + 1)) >"$NODE/clock"; echo "$now"',
    "modinfo": """\
while [ $# -gt 1 ]; do case $1 in -F) field=$2; shift;; -b|-k) shift;; esac; shift; done
name=$(printf %s "$1" | tr - _)
case $field in
filename) find "$NODE/image" -name "$name.ko*" ;;
*) cat "$NODE/image/$field/$name" 2>/dev/null ;;
esac""",
    "modprobe": """\
echo "modprobe $*" >>"$NODE/calls"
while [ $# -gt 0 ]; do case $1 in -d|-S) shift;; -r) remove=yes;; -*) ;; *) break;; esac; shift; done
[ ! -e "$NODE/slow" ] || { : >"$NODE/begun"; while [ -e "$NODE/slow" ]; do /bin/sleep 0.02; done; }
name=$(printf %s "$1" | tr - _) place=$NODE/sys/module/$(printf %s "$1" | tr - _)
if [ -n "$remove" ]; then
    [ "$(cat "$place/refcnt" 2>/dev/null || echo 0)" = 0 ] || { echo "Module $1 is in use." >&2; exit 1; }
    rm -rf "$place"
    exit
fi
file=$(find "$NODE/image/lib/modules/$(cat "$NODE/kernel")" -name "$name.ko*" 2>/dev/null)
[ -n "$file" ] || { echo "modprobe: FATAL: Module $1 not found." >&2; exit 1; }
mkdir -p "$place/notes" "$place/holders"
echo live >"$place/initstate"; echo 0 >"$place/refcnt"; echo OE >"$place/taint"
cp "$NODE/image/srcversion/$name" "$place/srcversion" 2>/dev/null
cp "$NODE/image/build-id/$name" "$place/notes/.note.gnu.build-id" 2>/dev/null
exit 0""",
    "rmmod": 'echo "rmmod $*" >>"$NODE/calls"; exit 1',
}


class Node:
    """A node whose image brings the modules `nic` and `nic_core` for KERNEL."""

    def __init__(self, root: Path, shell: str = "sh") -> None:
        self.root = root
        self.shell = shell.split()
        for name, text in _PROGRAMS.items():
            self.write(f"bin/{name}", f"#!/bin/sh\n{text}\n").chmod(0o755)
        self.write("kernel", f"{KERNEL}\n")
        for folder in ("sys/module", "state", "firmware", "image/lib/modules"):
            (root / folder).mkdir(parents=True)
        for name in ("nic", "nic_core"):
            self.write(f"image/lib/modules/{KERNEL}/extra/{name}.ko", f"ELF of {name}")
            self.write(f"image/srcversion/{name}", f"AAA{name}\n")

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def in_kernel(self, name: str, *, srcversion: str = "", taint: str = "", refcnt: int = 0) -> None:
        """Have the node load a module of its own before."""
        self.write(f"sys/module/{name}/initstate", "live\n")
        self.write(f"sys/module/{name}/taint", f"{taint}\n")
        self.write(f"sys/module/{name}/refcnt", f"{refcnt}\n")
        if srcversion:
            self.write(f"sys/module/{name}/srcversion", f"{srcversion}\n")

    @property
    def loaded(self) -> set[str]:
        return {path.name for path in (self.root / "sys/module").iterdir()}

    @property
    def calls(self) -> list[str]:
        """How the stand-ins for kmod were called."""
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        own = {
            "NODE": str(self.root),
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
            "KMODGATE_KERNEL": KERNEL,
            "KMODGATE_MODULES": "nic",
            "KMODGATE_DIR": str(self.root / "image"),
            "KMODGATE_GRACE": "5",
            "KMODGATE_PATH_SYS": str(self.root / "sys"),
            "KMODGATE_PATH_STATE": str(self.root / "state"),
            "KMODGATE_PATH_FIRMWARE": str(self.root / "firmware"),
            "KMODGATE_PATH_LOG": str(self.root / "log"),
        }
        return {**own, **{f"KMODGATE_{name}": value for name, value in settings.items()}}

    def start(self, command: str, **settings: str) -> subprocess.Popen[str]:
        """Start the script; settings are those of its environment without their prefix."""
        return subprocess.Popen(
            [*self.shell, str(SCRIPT), command],
            env=self.environment(settings),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A shell that starts with SIGINT ignored, as those of a test run in the background do, cannot trap it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        process = self.start(command, **settings)
        output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)
