"""The programs of a control plane: where they are, and what to do when they are not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

BUILT = ROOT / ".tools" / "kubernetes"
"""Where `make assets` puts them."""

_NEEDED = ("etcd", "kube-apiserver", "kubectl")
_CONTROLLERS = "kube-controller-manager"


class MissingPrograms(Exception):
    """A program that no test can do without is not there; the message says which, and how to get it."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder of the programs, laid out like the one of envtest, in which `controller_manager` may be missing."""

    folder: Path

    @property
    def etcd(self) -> Path:
        return self.folder / "etcd"

    @property
    def api_server(self) -> Path:
        return self.folder / "kube-apiserver"

    @property
    def kubectl(self) -> Path:
        return self.folder / "kubectl"

    @property
    def controller_manager(self) -> Path | None:
        program = self.folder / _CONTROLLERS
        return program if os.access(program, os.X_OK) else None


def found() -> Programs:
    """The programs in $KUBEBUILDER_ASSETS, or those that `make assets` built. Raises MissingPrograms."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    folder = Path(named).absolute() if named else BUILT
    missing = [name for name in _NEEDED if not os.access(folder / name, os.X_OK)]
    if missing:
        cure = "KUBEBUILDER_ASSETS names another folder" if named else "`make assets` builds them, with Go"
        raise MissingPrograms(f"not in {folder}: {', '.join(missing)}; {cure}")
    return Programs(folder)
