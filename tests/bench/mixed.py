"""A fleet with all deliveries, as the examples have them: each cluster gets a quarter of its drivers in each way."""

from __future__ import annotations

from pathlib import Path

HUB = "hub"

_CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata:
  name: {name}
  labels: {{tier: {tier}}}
spec:
  platform: openshift
  kmm: {{version: "2.6", flavour: redhat}}
  acm: {{{acm}}}
"""

_NODES = """\
  nodeGroups:
  - name: workers
    count: 3
    labels: {node-role.kubernetes.io/worker: ""}
    kernels: [5.14.0-427.72.1.el9_4.x86_64, 5.14.0-570.39.1.el9_6.x86_64]
    architecture: amd64
  nextKernels: [5.14.0-570.42.2.el9_6.x86_64]
"""

_DRIVER = """\
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata:
  name: driver-{number}
spec:
  clusters: {clusters}
  namespace: {{name: kernel-drivers}}
  selector: {{node-role.kubernetes.io/worker: ""}}
  modprobe: {{moduleName: driver_{number}}}
  containerImage: registry.example.com/kmods/driver-{number}:1.2.0-${{KERNEL_FULL_VERSION}}
  kernelMappings:
  - name: el9
    regexp: '^5\\.14\\.0-\\d+(\\.\\d+)+\\.el9_\\d+\\.x86_64$'
"""

_BUILT = """\
  imageRepoSecret: registry-push
  build:
    dockerfile: ./driver.Dockerfile
    buildArgs: {VERSION: "1.2.0"}
  sign:
    keySecret: signing-key
    certSecret: signing-cert
    filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/driver.ko']
"""

_PLUGIN = """\
  imageRepoSecret: registry-pull
  devicePlugin:
    container: {image: 'registry.example.com/kmods/plugin:1.2.0'}
"""

_PREBUILT = """\
  sign: {{prebuilt: true}}
  boot:
    pool: worker
    image: registry.example.com/kmods/driver-{number}
    bootModuleConfig: true
"""

_DOCKERFILE = """\
ARG DTK_AUTO
FROM ${DTK_AUTO} AS build
ARG KERNEL_FULL_VERSION
ARG VERSION
RUN make KVER=${KERNEL_FULL_VERSION} VERSION=${VERSION}
FROM registry.access.redhat.com/ubi9/ubi-minimal:9.6
ARG KERNEL_FULL_VERSION
COPY --from=build /opt /opt
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
"""


def mixed_fleet(root: Path, drivers: int, clusters: int) -> Path:
    """Write a hub and its spokes, and drivers that go to all spokes: by turns by KMM, DaemonSets, the hub, and at boot."""
    for folder in ("clusters", "drivers"):
        (root / folder).mkdir(parents=True)
    (root / "kmodgate.yaml").touch()
    (root / "drivers/driver.Dockerfile").write_text(_DOCKERFILE)
    (root / f"clusters/{HUB}.yaml").write_text(_CLUSTER.format(name=HUB, tier="hub", acm="role: hub"))
    for number in range(clusters):
        name = f"spoke-{number}"
        spec = _CLUSTER.format(name=name, tier="edge", acm=f"role: spoke, hub: {HUB}")
        (root / f"clusters/{name}.yaml").write_text(spec + _NODES)
    for number in range(drivers):
        (root / f"drivers/driver-{number}.yaml").write_text(_driver(number))
    return root


def _driver(number: int) -> str:
    delivery = ("kmm", "daemonset", "hub", "boot")[number % 4]
    clusters = f"{{names: [{HUB}]}}" if delivery == "hub" else "{matchLabels: {tier: edge}}"
    more = {
        "kmm": f"  delivery: kmm\n{_BUILT}",
        "daemonset": f"  delivery: daemonset\n{_PLUGIN}",
        "hub": f"  delivery: hub\n  hub: {{selector: {{tier: edge}}}}\n{_BUILT}",
        "boot": f"  delivery: kmm\n{_PREBUILT.format(number=number)}",
    }[delivery]
    return _DRIVER.format(number=number, clusters=clusters) + more
