"""Programs beside which the bench measures: found on PATH, or built by Go into `.tools/bench`.

Go checks what it downloads against its database of checksums.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.bench.measure import REPOSITORY

FOLDER = REPOSITORY / ".tools" / "bench"

KMM = "github.com/kubernetes-sigs/kernel-module-management/cmd/webhook-server@de3f8c9"
"""The commit of which the recorded verdicts are (`oracle/README.md` of the data beside the repository)."""

HELM = "helm.sh/helm/v3/cmd/helm@v3.19.4"
GATOR = "github.com/open-policy-agent/gatekeeper/v3/cmd/gator@v3.21.0"


class NotBuilt(Exception):
    """A program that is not there and cannot be built; the message says why in one line."""


def built(package: str) -> str:
    """The path of a program, which is built the first time. Raises NotBuilt."""
    name = package.partition("@")[0].rpartition("/")[2]
    if found := shutil.which(name, path=f"{FOLDER}{os.pathsep}{os.environ['PATH']}"):
        return found
    if shutil.which("go") is None:
        raise NotBuilt(f"{name} is not on PATH, and there is no Go to build it")
    environment = {**os.environ, "GOBIN": str(FOLDER), "CGO_ENABLED": "0", "GOWORK": "off"}
    done = subprocess.run(
        ["go", "install", "-trimpath", package], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)  # not for the page: it may name what is on this machine alone
        raise NotBuilt(f"Go cannot build {package}; build it from a clone as .tools/bench/{name}")
    return str(FOLDER / name)
