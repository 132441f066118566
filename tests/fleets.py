"""Small fleets for tests, written to a folder in three lines."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.command import Finished, run

REPOSITORY = Path(__file__).parent.parent

CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {{name: {name}, labels: {labels}}}
spec:
  platform: {platform}
  kmm: {{version: "{kmm}", flavour: {flavour}}}
  nodeGroups:
  - {{name: workers, count: {nodes}, labels: {{node-role.kubernetes.io/worker: ""}}}}
"""

DRIVER = """\
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata: {{name: {name}}}
spec:
  clusters: {clusters}
  namespace: {{name: kmm-tests}}
  selector: {{node-role.kubernetes.io/worker: ""}}
  modprobe: {{moduleName: acme_dummy}}
  containerImage: quay.io/acme/{name}:1.0-${{KERNEL_FULL_VERSION}}
  kernelMappings:
  - {{name: el9, regexp: '^5\\.14\\..+$'}}
"""


class FleetFolder:
    """A fleet on disk that a test writes and changes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("kmodgate.yaml", "")

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return path

    def cluster(
        self,
        name: str,
        *,
        labels: dict[str, str] | None = None,
        platform: str = "kubernetes",
        kmm: str = "2.6",
        flavour: str = "upstream",
        nodes: int = 3,
    ) -> Path:
        text = CLUSTER.format(
            name=name,
            labels=json.dumps(labels or {"tier": "edge"}),
            platform=platform,
            kmm=kmm,
            flavour=flavour,
            nodes=nodes,
        )
        return self.write(f"clusters/{name}.yaml", text)

    def driver(self, name: str, more: str = "", clusters: str = "{matchLabels: {tier: edge}}") -> Path:
        """A driver with a loader; `more` is YAML below `spec`, written at column 1."""
        indented = "".join(f"  {line}\n" for line in more.rstrip("\n").split("\n") if more)
        return self.write(f"drivers/{name}.yaml", DRIVER.format(name=name, clusters=clusters) + indented)

    def files(self, below: str = "rendered") -> dict[str, bytes]:
        """Every file of the tree, by path relative to it."""
        root = self.root / below
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def run(self, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Finished:
        """Run `kmodgate ARGUMENTS` in the root of the fleet."""
        return run(*arguments, cwd=cwd or self.root, env=env)

    def render(self, *arguments: str) -> Finished:
        """`kmodgate render`, which must succeed."""
        result = self.run("render", *arguments)
        assert result.returncode == 0, result.stderr
        return result

    def object(self, path: str) -> Any:
        """A rendered object; `path` is relative to the output folder."""
        return yaml.safe_load((self.root / "rendered" / path).read_text(encoding="utf-8"))


def git(folder: Path, *arguments: str) -> None:
    """A git command in a folder, as nobody in particular; it must succeed."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
