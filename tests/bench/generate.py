"""Fleets of a given size, and the same objects as kustomize overlays and as a Helm chart."""

from __future__ import annotations

import shutil
from pathlib import Path

_CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata:
  name: cluster-{number}
  labels: {{tier: edge, index: "{number}"}}
spec:
  platform: kubernetes
  kubernetes: {{version: "1.35"}}
  kmm: {{version: "2.6", flavour: upstream}}
  nodeGroups:
  - name: workers
    count: 3
    labels: {{node-role.kubernetes.io/worker: ""}}
    kernels: [5.14.0-427.13.1.el9_4.x86_64, 5.14.0-503.11.1.el9_5.x86_64]
"""

_DRIVER = """\
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata:
  name: driver-{number}
  annotations: {{config.kubernetes.io/local-config: "true"}}
spec:
  clusters: {clusters}
  namespace: {{name: kernel-drivers, manage: false}}
  delivery: kmm
  selector: {{node-role.kubernetes.io/worker: ""}}
  modprobe: {{moduleName: driver_{number}}}
  inTreeModulesToRemove: [acme_dummy]
  containerImage: quay.io/acme/driver-{number}:1.2.0-${{KERNEL_FULL_VERSION}}
  kernelMappings:
    - name: el9
      regexp: '^5\\.14\\.0-.+\\.el9.*\\.x86_64$'
    - name: el8
      regexp: '^4\\.18\\.0-.+\\.el8.*\\.x86_64$'
  build:
    dockerfile: ./driver-{number}.Dockerfile
    buildArgs: {{KMODVER: "1.2.0"}}
  sign:
    keySecret: signing-key
    certSecret: signing-cert
    filesToSign: ['/opt/lib/modules/${{KERNEL_FULL_VERSION}}/driver-{number}.ko']
  imageRepoSecret: quay-robot
"""


_OVERRIDE = """\
    - clusters: {{matchLabels: {{index: "{cluster}"}}}}
      patch: {{containerImage: 'registry.site-{cluster}/driver-{number}:1.2.0-${{KERNEL_FULL_VERSION}}'}}
"""


_NEXT = (
    "5.14.0-570.12.1.el9_6.x86_64",
    "5.14.0-611.5.1.el9_7.x86_64",
    "4.18.0-553.8.1.el8_10.x86_64",
    "6.12.0-55.9.1.el10_0.x86_64",
)


def fleet(
    root: Path, drivers: int, clusters: int, *, spread: bool = False, varied: bool = False, upgraded: bool = False
) -> Path:
    """A fleet of three objects a target, and for each cluster the two of its policy.

    `spread` puts each driver on one cluster instead of on all; `varied` overrides every driver for every cluster, so
    that no two clusters get the same Module; `upgraded` gives each cluster four next kernels beside the two that it runs.
    """
    root.mkdir(parents=True)
    (root / "kmodgate.yaml").touch()
    (root / "clusters").mkdir()
    (root / "drivers").mkdir()
    for number in range(clusters):
        kernels = f"  nextKernels: [{', '.join(_NEXT)}]\n" if upgraded else ""
        (root / f"clusters/cluster-{number}.yaml").write_text(_CLUSTER.format(number=number) + kernels)
    for number in range(drivers):
        where = f'{{matchLabels: {{index: "{number % clusters}"}}}}' if spread else "{matchLabels: {tier: edge}}"
        spec = _DRIVER.format(number=number, clusters=where)
        if varied:
            patches = "".join(_OVERRIDE.format(number=number, cluster=cluster) for cluster in range(clusters))
            spec += f"  overrides:\n{patches}"
        (root / f"drivers/driver-{number}.yaml").write_text(spec)
        (root / f"drivers/driver-{number}.Dockerfile").write_text(_dockerfile(number))
    return root


def _dockerfile(number: int) -> str:
    steps = "".join(
        f"RUN ./configure --step={step} --driver={number} \\\n    && make step-{step}\n" for step in range(26)
    )
    return f"ARG KERNEL_FULL_VERSION\nFROM builder:1 AS build\n{steps}FROM base:1\nCOPY --from=build /opt /opt\n"


def overlays(rendered: Path, target: Path) -> list[Path]:
    """A kustomize overlay a cluster over the rendered objects, each with one transformer that sets a label."""
    found = []
    for cluster in sorted(path for path in rendered.iterdir() if path.is_dir()):
        folder = target / cluster.name
        shutil.copytree(cluster, folder)
        resources = "".join(f"- {path.relative_to(folder)}\n" for path in sorted(folder.rglob("*.yaml")))
        labels = f"labels:\n- pairs: {{cluster: {cluster.name}}}\n"
        (folder / "kustomization.yaml").write_text(f"resources:\n{resources}{labels}")
        found.append(folder)
    return found


def chart(rendered: Path, target: Path) -> Path:
    """A Helm chart of the same objects: one template a driver, rendered for the clusters in its values."""
    first = sorted(path for path in rendered.iterdir() if path.is_dir())[0]
    clusters = sorted(path.name for path in rendered.iterdir() if path.is_dir())
    (target / "templates").mkdir(parents=True)
    (target / "Chart.yaml").write_text("apiVersion: v2\nname: drivers\nversion: 1.0.0\n")
    (target / "values.yaml").write_text("clusters:\n" + "".join(f"- {name}\n" for name in clusters))
    for path in sorted(first.rglob("*.yaml")):
        text = (
            path.read_text()
            .replace("{{", "{{ `{{` }}")
            .replace("\n  labels:\n", "\n  labels:\n    cluster: {{ . }}\n", 1)
        )
        body = f"{{{{- range .Values.clusters }}}}\n---\n{text}{{{{- end }}}}\n"
        (target / "templates" / f"{path.parent.name}-{path.name}").write_text(body)
    return target
