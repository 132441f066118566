"""Fleets with an ImageService, for tests."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fleets import FleetFolder

CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {{name: {name}}}
spec:
  platform: kubernetes
  nodeGroups:
  - {{name: workers, count: 3, labels: {{katacontainers.io/kata-runtime: "true"}}}}
"""

SERVICE = """\
apiVersion: kmodgate.io/v1alpha1
kind: ImageService
metadata: {{name: {name}}}
spec:
  clusters: {clusters}
"""

PLAIN = 'csm: "1.6.0"\nowner: loftsman'


class ImageServiceFleet(FleetFolder):
    """A fleet of one cluster, `alps`, that has no KMM."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.site("alps")

    def site(self, name: str) -> Path:
        return self.write(f"clusters/{name}.yaml", CLUSTER.format(name=name))

    def service(self, more: str = PLAIN, *, name: str = "ims", clusters: str = "{names: [alps]}") -> Path:
        """An ImageService; `more` is YAML below `spec`, written at column 1."""
        indented = "".join(f"  {line}\n" for line in more.rstrip("\n").split("\n"))
        return self.write(f"services/{name}.yaml", SERVICE.format(name=name, clusters=clusters) + indented)

    def findings(self, *arguments: str) -> list[dict]:
        """What `check` says, as JSON."""
        result = self.run("check", "--format", "json", *arguments)
        assert result.returncode in (0, 1), result.stderr
        found: list[dict] = json.loads(result.stdout)["findings"]
        return found
