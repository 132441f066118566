"""Objects of others that load a kernel module at boot, and a Module beside them."""

from __future__ import annotations

from tests.renderer.importer.import_runs import module

NIC = module("nic", "1.0-${KERNEL_FULL_VERSION}")
"""A Module that loads acme_dummy."""

PINNED = "quay.io/edge-infrastructure/kernel-module-management-worker:release-2.6"

UTILITY = """\
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata:
  labels: {{machineconfiguration.openshift.io/role: {pool}}}
  name: 99-worker-day1
spec:
  config:
    ignition: {{version: 3.2.0}}
    storage:
      files:
      - {{contents: {{source: "data:text/plain;base64,IyEvYmluL2Jhc2g="}}, mode: 511, overwrite: true, path: /usr/local/bin/replace-kernel-module.sh, user: {{name: root}}}}
      - {{contents: {{source: "data:text/plain;base64,IyEvYmluL2Jhc2g="}}, mode: 493, overwrite: true, path: /usr/local/bin/pull-kernel-module-image.sh, user: {{name: root}}}}
      - {{contents: {{source: "data:text/plain;base64,IyEvYmluL2Jhc2g="}}, mode: 493, overwrite: true, path: /usr/local/bin/wait-for-dispatcher.sh, user: {{name: root}}}}
    systemd:
      units:
      - contents: |
          [Unit]
          Description=Replace the kernel module before the network is up
          Before=network-pre.target
          DefaultDependencies=no
          [Service]
          Type=oneshot
          TimeoutSec=60
          Environment="FIRMWARE_FILES_PATH={firmware}"
          Environment="IN_TREE_MODULES_TO_REMOVE={removals}"
          Environment="KERNEL_MODULE={module}"
          Environment="KERNEL_MODULE_IMAGE={image}"
          Environment="WORKER_IMAGE={worker}"
          Environment="WORKER_CONFIG_FILEPATH=/var/lib/kmm_day1_config.yaml"
          ExecStart=/usr/local/bin/replace-kernel-module.sh
        enabled: true
        name: 99-worker-day1-replace-kernel-module.service
      - contents: |
          [Service]
          Type=oneshot
          Environment="KERNEL_MODULE_IMAGE={image}"
          Environment="WORKER_IMAGE={worker}"
          EnvironmentFile=/etc/mco/proxy.env
          ExecStart=/usr/local/bin/pull-kernel-module-image.sh
        enabled: true
        name: 99-worker-day1-pull-kernel-module-image.service
      - {{enabled: false, mask: true, name: crio-wipe.service}}
"""


def utility(
    module: str = "acme_dummy",
    image: str = "quay.io/acme/nic-day1",
    worker: str = PINNED,
    *,
    removals: str = "",
    firmware: str = "",
    pool: str = "worker",
) -> str:
    """A MachineConfig as Red Hat's day-1 utility prints it."""
    return UTILITY.format(
        module=module, image=image, worker=worker, removals=removals, firmware=firmware, pool=pool
    )  # fmt: skip


def boot_module_config(name: str = "nic", machine_config: str = "99-worker-kmm-nic") -> str:
    return f"""\
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: BootModuleConfig
metadata: {{name: {name}, namespace: kmm-tests}}
spec:
  machineConfigName: {machine_config}
  machineConfigPoolName: worker
  kernelModuleImage: quay.io/acme/nic-day1
  kernelModuleName: acme_dummy
  inTreeModulesToRemove: [dummy]
  workerImage: {PINNED}
"""
