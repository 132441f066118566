"""The files that `init` writes: specs with comments that say what to put where."""

from __future__ import annotations

import os
from pathlib import Path

from kmodgate import schemas
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.kubernetes_names import is_dns1123_subdomain, is_label_value
from kmodgate.policy.formats.yaml_documents import MAX_BYTES
from kmodgate.policy.ims.versions import csm_release, ims_release, known_csm_releases
from kmodgate.policy.kmm.versions import UPSTREAM
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.files import OUTPUTS
from kmodgate.renderer.local_files.reading import read_regular
from kmodgate.renderer.local_files.writing import put_below
from kmodgate.renderer.manifests.emit_yaml import scalar

_NAMESPACE = "kernel-drivers"
_MAX_COMBINED = 40  # of the names of Module and namespace; KMM's main branch allows one more
ATTRIBUTES = tuple(f"/{folder}/** -text linguist-generated gitlab-generated" for folder in OUTPUTS)
SCHEMAS = ".schemas"  # below the fleet's root; a dot folder, so that no spec is looked for in it


def cluster_spec(name: str) -> str:
    """A cluster with one node group."""
    _check(name)
    return f"""\
# yaml-language-server: $schema=../{SCHEMAS}/{schemas.KINDS["Cluster"]}.json
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata:
  name: {scalar(name)}
  labels:               # what drivers select clusters by
    tier: edge
  annotations:
    config.kubernetes.io/local-config: "true"   # a spec is never applied to a cluster
spec:
  platform: kubernetes  # or openshift
  topology: ha          # or compact, or sno (single-node OpenShift)
  kmm:
    version: "{UPSTREAM[-2]}"      # in quotes: a number would lose its zeros
    flavour: upstream   # or redhat
  nodeGroups:           # or inventory: a file written by kubectl get nodes -o json
  - name: workers
    count: 3
    labels:
      node-role.kubernetes.io/worker: ""
    kernels:            # what uname -r prints there
    - 5.14.0-427.13.1.el9_4.x86_64
"""


@dataclass(frozen=True, slots=True)
class NewDriver:
    """A driver to begin with: its first version, the delivery, and the pool that loads it at boot; empty for none.

    Without a build of KMM in time, the image is one that is there already.
    """

    name: str
    version: str = ""
    delivery: str = "kmm"
    pool: str = ""

    @property
    def is_built(self) -> bool:
        """Whether KMM builds the image."""
        return self.delivery != "daemonset" and not self.pool


def driver_files(driver: NewDriver) -> dict[str, str]:
    """The spec of a driver, and the Dockerfile where KMM builds it, by path."""
    files = {f"drivers/{driver.name}.yaml": driver_spec(driver)}
    return files | ({f"drivers/{driver.name}.Dockerfile": dockerfile(driver.name)} if driver.is_built else {})


def driver_spec(driver: NewDriver) -> str:
    """The spec of a driver for every cluster of tier edge, or every hub of that tier."""
    name = driver.name
    _check(name)
    _check_length(name)
    return f"""\
# yaml-language-server: $schema=../{SCHEMAS}/{schemas.KINDS["KernelDriver"]}.json
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata:
  name: {scalar(name)}
  annotations:
    config.kubernetes.io/local-config: "true"   # a spec is never applied to a cluster
spec:
  clusters:
    matchLabels:
      tier: edge
  namespace:
    name: {_NAMESPACE}
{_DELIVERIES[driver.delivery]}\
  selector:             # which nodes; all labels must match
    node-role.kubernetes.io/worker: ""
  modprobe:
    moduleName: {scalar(in_kernel_form(name))}
{_version(driver)}\
  containerImage: registry.example.com/drivers/{name}:1.0.0-${{KERNEL_FULL_VERSION}}
{"" if driver.is_built else _PUSHED}\
{_TAGGED if driver.is_built else ""}\
  kernelMappings:       # the first that matches a node's kernel wins
  - name: el9
    regexp: '^5\\.14\\.0-.+\\.el9.*\\.x86_64$'
{_made(driver)}"""


_DELIVERIES = {
    "kmm": "",
    "daemonset": "  delivery: daemonset   # without KMM: a DaemonSet for each kernel of the node groups\n",
    "hub": (
        "  delivery: hub         # the clusters above are hubs; they load it on the spokes that these labels select\n"
        "  hub:\n    selector:\n      site: plant\n"
    ),
}
"""Lines of a spec by its delivery."""

_PUSHED = "  # an image for each kernel, which is pushed before nodes run that kernel: kmodgate images lists them\n"
_TAGGED = "  contentTag: true      # a changed Dockerfile is a new tag; KMM never rebuilds one that exists\n"


def _version(driver: NewDriver) -> str:
    if driver.delivery == "daemonset":
        return ""
    if driver.version:
        return f"  version: {scalar(driver.version)}\n"
    return "  # version: no ordered upgrade; it cannot be added once the Module exists\n"


def _made(driver: NewDriver) -> str:
    """Who builds the image, who may pull it, and what loads it at boot."""
    if driver.pool:
        return f"""\
  boot:                 # loads it before the network is up, too: a MachineConfig, which reboots the pool
    pool: {scalar(driver.pool)}
    workerImage: quay.io/edge-infrastructure/kernel-module-management-worker:release-{UPSTREAM[-2]}
    # inTreeModulesToRemove: [name]   # modules of the kernel that go before, dependents first
"""
    secret = "registry-push" if driver.is_built else "registry-pull"
    build = f"  build:\n    dockerfile: ./{driver.name}.Dockerfile\n" if driver.is_built else ""
    return f"{build}  imageRepoSecret: {secret}   # a Secret of type kubernetes.io/dockerconfigjson in the namespace\n"


def _check_length(name: str) -> None:
    limit = _MAX_COMBINED - len(_NAMESPACE)
    if len(name) > limit:
        raise Unusable(
            f"{name!r} is too long: KMM takes {limit} characters beside {_NAMESPACE}", "choose a shorter name"
        )


def dockerfile(name: str) -> str:
    """A two-stage build of one module against the kernel that KMM names."""
    return f"""\
# KMM sets KERNEL_FULL_VERSION to the kernel of the nodes that the image is for. It builds without a context, so COPY
# finds no file beside this one: take the sources from git, from an archive, or from an image of their own.
ARG KERNEL_FULL_VERSION
FROM registry.example.com/kernel-builder:${{KERNEL_FULL_VERSION}} AS build
ARG KERNEL_FULL_VERSION
RUN git clone --depth 1 --branch v1.0.0 https://git.example.com/drivers/{name}.git /src
WORKDIR /src
RUN make -C /lib/modules/${{KERNEL_FULL_VERSION}}/build M=/src modules

# The image needs a shell, mkdir and cp: KMM copies the modules out of it.
FROM registry.example.com/base:1
ARG KERNEL_FULL_VERSION
COPY --from=build /src/{name}.ko /opt/lib/modules/${{KERNEL_FULL_VERSION}}/
RUN depmod -b /opt ${{KERNEL_FULL_VERSION}}
"""


def image_service_spec(name: str, version: str, owner: str) -> str:
    """The image service of all clusters, of a release of CSM or of IMS."""
    _check(name)
    is_csm = version in known_csm_releases()
    release = csm_release(version) if is_csm else ims_release(version)
    dkms = "  dkms:\n    enabled: true       # for jobs that do not say so themselves\n"
    recipes = "  recipes:              # for kmodgate ims sync-recipes\n    default:\n      requireDkms: true\n"
    domain = (
        "domain: example.com # nothing else says it with this owner"
        if owner == "argocd"
        else "domain: '{{ network.dns.external }}'   # as the site's customizations.yaml has it"
    )
    return f"""\
# yaml-language-server: $schema=../{SCHEMAS}/{schemas.KINDS["ImageService"]}.json
apiVersion: kmodgate.io/v1alpha1
kind: ImageService
metadata:
  name: {scalar(name)}
  annotations:
    config.kubernetes.io/local-config: "true"   # a spec is never applied to a cluster
spec:
  clusters:             # a cluster has one image service at most
    matchLabels: {{}}     # all of them; or names: [alps]
  {"csm" if is_csm else "ims"}: "{version}"
  owner: {owner}       # loftsman or argocd: who applies ims-config
{dkms if release.ims_config_counts else ""}\
  kata:
    runtimeClass: kata-qemu
    flavour: go         # or rust: runtime-rs, the default of Kata 4
    permits: [virtio_fs_extra_args]   # enable_annotations in the configuration of Kata on the workers
    xattr: true
  network:
    {domain}
{"" if release.only_ims_config_decides else recipes}"""


def is_version(text: str) -> bool:
    """Whether a driver can have this version: a label value with a digit in it, so that no yes or no slips in."""
    return is_label_value(text) and any(char.isdigit() for char in text)


def write_new(root: Path, files: dict[str, str]) -> None:
    """Writes files that must not exist yet, none if one of them does. Raises Unusable."""
    for name in files:
        if os.path.lexists(root / name):
            raise Unusable(f"{root / name} exists", "choose another name, or edit that file")
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        put_below(root, name, text.encode())


def write_schemas(root: Path) -> None:
    """Puts the schemas where the specs' first lines tell editors to look, as this version has them."""
    for kind in ("KernelDriver", "Cluster", "ImageService"):
        put_below(root, f"{SCHEMAS}/{schemas.KINDS[kind]}.json", schemas.read(schemas.KINDS[kind]))


def write_attributes(root: Path) -> None:
    """Tell git about what is rendered: its bytes stay as they are, and forges fold it as generated."""
    path = root / ".gitattributes"
    if path.is_symlink():
        raise Unusable(f"{path} is a symbolic link", "replace it by a file")
    text = _attributes(path) if path.exists() else ""
    missing = [line for line in ATTRIBUTES if line not in text.splitlines()]
    if missing:
        start = f"{text}\n" if text and not text.endswith("\n") else text
        put_below(root, path.name, (start + "".join(f"{line}\n" for line in missing)).encode())


def _attributes(path: Path) -> str:
    """The text that is there. Raises Unusable where it is no file of git's."""
    try:
        data = read_regular(path, MAX_BYTES, follow=False)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} cannot be read: {error}", "replace it by a text file") from None
    if len(data) > MAX_BYTES:
        raise Unusable(f"{path} is larger than 1 MiB", "replace it by a smaller file")
    return text


def _check(name: str) -> None:
    if not is_dns1123_subdomain(name) or len(name) > 63 or name == "cluster":
        raise Unusable(
            f"{name!r} cannot be a name", "use lower-case letters, digits, '-' and '.', at most 63, and not 'cluster'"
        )
