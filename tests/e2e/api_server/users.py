"""Who asks the API server: the users of its token file, and a kubeconfig for each."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

ADMIN = "admin"
CONTROLLER_MANAGER = "controller-manager"
WEBHOOK = "webhook"

_SERVICE_ACCOUNTS = "system:serviceaccounts"

NAMES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    ADMIN: ("admin", ("system:masters",)),
    "alice": ("alice", ()),
    "bob": ("bob", ("drivers",)),
    "carol": ("carol", ()),  # whom no test gives a right
    CONTROLLER_MANAGER: ("system:kube-controller-manager", ()),
    WEBHOOK: (
        "system:serviceaccount:kmodgate-system:kmodgate-webhook",
        (_SERVICE_ACCOUNTS, f"{_SERVICE_ACCOUNTS}:kmodgate-system"),
    ),
}
"""What the tests call a user → the name and the groups that the API server gives it. RBAC grants the plain ones nothing."""


class Users:
    """The token of each user, and the files that say so."""

    def __init__(self, folder: Path) -> None:
        """Make the folder and, in it, the token file of the API server."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._tokens = {name: secrets.token_hex(16) for name in NAMES}
        self.token_file = folder / "tokens.csv"
        self.token_file.write_text("".join(self._rows()), encoding="utf-8")

    def token(self, name: str) -> str:
        """The bearer token of the user that the tests call `name`."""
        return self._tokens[name]

    def kubeconfig(self, name: str, url: str, ca: Path) -> Path:
        """A file with which a client is the user `name` at the server `url`."""
        path = self._folder / f"{name}-{url.rpartition(':')[2]}.kubeconfig"
        if path.is_file():
            return path
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": {"server": url, "certificate-authority": str(ca)}}],
            "users": [{"name": name, "user": {"token": self.token(name)}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": name}}],
            "current-context": "e2e",
        }
        # In one step: another thread may be about to read it.
        scratch = path.with_suffix(f".{secrets.token_hex(4)}")
        scratch.write_text(json.dumps(document), encoding="utf-8")
        return scratch.replace(path)

    def _rows(self) -> list[str]:
        return [f'{self._tokens[name]},{user},{name},"{",".join(groups)}"\n' for name, (user, groups) in NAMES.items()]
