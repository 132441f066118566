"""Files, folders and devices of a node, by what a container can do to the node with them, each with the reason.

Writing is a finding anywhere but in the places listed as harmless: a list of dangerous places always has holes.

Sources: hier(7), file-hierarchy(7), systemd.unit(5), modprobe.d(5), depmod.d(5), udev(7), core(5), proc(5), ld.so(8),
cron(8), sudoers(5) and sshd(8) of Linux; kubelet, CNI and CRI of Kubernetes; the default sockets and folders of
containerd, CRI-O, Docker, cri-dockerd, Podman, BuildKit, K3s, k0s, MicroK8s, Bottlerocket and Flatcar.
"""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A folder with all that lies in it, or a file, and why a container may write there, or may not."""

    path: str
    reason: str


LINKS = {
    "/var/run": "/run",
    "/var/lock": "/run/lock",
    "/lib": "/usr/lib",
    "/lib64": "/usr/lib64",
    "/bin": "/usr/bin",
    "/sbin": "/usr/sbin",
    "/dev/fd": "/proc/self/fd",
    "/dev/core": "/proc/kcore",
    "/dev/initctl": "/run/initctl",
}
"""Links that nodes have at the root of their folders."""

HARMLESS = (
    Place("/var/log", "nothing of the node is chosen by what logs say"),
    Place("/mnt", "it is for file systems that an administrator mounts for others"),
    Place("/srv", "it holds data that services serve"),
    Place("/data", "it holds data by the name that people gave it"),
    Place("/etc/localtime", "the time zone chooses no program"),
    Place("/run/promtail", "Promtail keeps its positions there, which nothing else reads"),
    Place("/var/fluent-bit", "Fluent Bit keeps its positions there, which nothing else reads"),
    Place("/var/addon/splunk", "the collector of Splunk keeps its positions there, which nothing else reads"),
)
"""Where a container may write."""

_KUBELETS = "the kubelet's and the runtime's state lies there"

STATE = (
    *(
        Place(f"/mnt/{folder}", f"on nodes of Amazon with local disks {_KUBELETS}")
        for folder in (
            "k8s-disks/*/kubelet",
            "k8s-disks/*/containerd",
            "k8s-disks/*/pods",
            "k8s-disks/*/soci-snapshotter",
        )
    ),
    *(Place(f"/mnt/aks/{name}", f"on nodes of Azure {_KUBELETS}") for name in ("kubelet", "containers")),
    *(
        Place(f"/mnt/stateful_partition/{name}", "it is the writable part of Google's Container-Optimized OS")
        for name in ("etc", "home", "var", "var_overlay")
    ),
    Place("/srv/kubernetes", "kOps keeps keys and configuration of the cluster there"),
    *(
        Place(f"{root}/{name}", f"on nodes with a disk for it {_KUBELETS}")
        for root in ("/data", "/mnt", "/srv")
        for name in ("containerd", "crio", "docker", "k3s", "kubelet", "rancher")
    ),
)
"""What is the node's own in the harmless places, and the folders around it up to those; `*` stands for any name.

Sources: setup-local-disks of awslabs/amazon-eks-ami; Azure/AgentBaker (KubeletDiskType); Container-Optimized OS, disks
and filesystem overview; nodeup of kubernetes/kops.
"""

OWN_FOLDERS = (
    Place("/var/lib", "a program keeps its own state there"),
    Place("/opt", "an add-on keeps its own files there"),
)
"""Folders in which everything has a folder of its own: harmless are those below that are not in the next table."""

TAKEN = {
    "/var/lib": {
        "kubelet*": "the kubelet keeps volumes, plugin sockets, credentials and checkpoints there",
        "containerd*": "the root file systems of all containers lie there",
        "docker": "the root file systems of all containers lie there",
        "docker-engine": "the root file systems of all containers lie there",
        "dockershim": "the kubelet reads what sandboxes there are",
        "cri-dockerd": "the runtime reads what sandboxes there are",
        "crio": "the runtime keeps its state there",
        "containers": "the root file systems of all containers lie there",
        "buildkit": "the layers of images lie there",
        "nerdctl": "the runtime keeps volumes and networks there",
        "nydus*": "the layers of images lie there",
        "soci*": "the layers of images lie there",
        "stargz*": "the layers of images lie there",
        "cni": "CNI plugins keep the networks of all pods there",
        **dict.fromkeys(("calico", "cilium", "weave", "ovn*", "openvswitch"), "the network keeps its state there"),
        "etcd*": "it is the content of the cluster",
        "kubernetes": "a distribution keeps its configuration and keys there",
        "kube-*": "a component of Kubernetes keeps its state there",
        "kubeadm": "a component of Kubernetes keeps its state there",
        "rancher": "K3s and RKE2 keep programs, manifests and keys there",
        "k3s": "K3s keeps programs and keys there",
        "k0s": "k0s keeps programs and keys there",
        "microk8s": "MicroK8s keeps programs and keys there",
        "minikube": "minikube keeps programs and keys there",
        "openshift*": "the platform keeps configuration there",
        "origin": "the platform keeps configuration there",
        "dbus*": "it identifies the machine to the bus",
        "systemd*": "systemd keeps timers, core dumps and the state of units there",
        "private": "the state of systemd's services lies there",
        "machines": "systemd starts what lies there",
        "portables": "systemd runs services from what lies there",
        "extensions": "systemd lays these images over /usr",
        "confexts": "systemd lays these images over /etc",
        "polkit*": "rules there give rights",
        "sudo": "it says who has given a password",
        "sss": "it says who is in which group",
        "samba": "it says who is in which group",
        "AccountsService": "it says which accounts there are",
        "authselect": "it decides who may log in",
        "pam*": "it decides who may log in",
        "selinux": "the policy of SELinux lies there",
        "apparmor": "profiles of AppArmor lie there",
        "alternatives": "it chooses which programs are run",
        "dkms": "kernel modules are built from what lies there",
        "shim-signed": "the key with which kernel modules of the node are signed lies there",
        "ca-certificates*": "it says whom the node trusts",
        "initramfs-tools": "it goes into what the node boots",
        "dracut": "it goes into what the node boots",
        "kdump": "the node boots what lies there after a crash",
        "dpkg": "scripts there run with the next upgrade",
        "apt": "the node installs what lies there",
        "rpm": "it says what is installed",
        "rpm-ostree": "the node boots what is staged there",
        "dnf": "the node installs what lies there",
        "pacman": "it says what is installed",
        "snapd": "the node runs what lies there",
        "flatpak": "the node runs what lies there",
        "cloud": "cloud-init runs scripts there at each boot",
        "chef": "the node runs what lies there",
        "puppet": "the node runs what lies there",
        "waagent": "the agent of Azure runs programs there",
        "amazon": "the agent of AWS takes orders there",
        "google": "the agent of Google runs programs there",
        "ignition": "it is applied at the first boot",
        "NetworkManager": "it decides how the node is connected",
        "wicked": "it decides how the node is connected",
        "dhcp*": "it decides how the node is connected",
        "iscsi": "it decides which disks the node has",
        "nfs": "it decides who may reach exported folders",
        "libvirt": "machines of the node are described there",
        "swtpm*": "the keys of machines of the node lie there",
        "lxc": "the root file systems of containers lie there",
        "lxd": "the root file systems of containers lie there",
        "incus": "the root file systems of containers lie there",
        "udisks2": "it decides what is mounted",
        "usbutils": "udev looks there for names of devices",
        "bluetooth": "it says which devices may connect",
        "tuned": "scripts of its profiles are run",
        "kata*": "the kernels and programs of Kata lie there",
        "nvidia": "the driver lies there",
    },
    "/opt": {
        "cni": "the runtime runs the CNI plugins that lie there, as root",
        "bin": "nodes have it in their search path",
        "sbin": "nodes have it in their search path",
        "lib*": "programs of the node load libraries from there",
        "etc": "it is configuration",
        "containerd": "containerd runs plugins from there",
        "nri": "the runtime runs the NRI plugins that lie there",
        "kata*": "the runtime runs the programs of Kata that lie there, as root",
        "nvidia*": "the runtime runs hooks from there",
        "kubernetes": "components of Kubernetes are run from there",
        "k8s": "components of Kubernetes are run from there",
        "rke*": "components of Kubernetes are run from there",
        "k0s": "components of Kubernetes are run from there",
        "azure": "scripts of the node are run from there",
        "microsoft": "agents of the node are run from there",
        "aws": "agents of the node are run from there",
        "amazon": "agents of the node are run from there",
        "google": "agents of the node are run from there",
        **dict.fromkeys(("chef", "cinc", "puppetlabs", "saltstack"), "an agent of the node is run from there, as root"),
    },
}
"""Names in those folders that are not a container's own; `*` stands for any end."""

DANGEROUS = (
    Place("/etc/kubernetes/manifests", "the kubelet runs static pods from it, with any right"),
    Place("/etc/kubernetes", "keys and static pods of the node lie there"),
    Place("/var/lib/kubelet", TAKEN["/var/lib"]["kubelet*"]),
    Place("/var/lib/rancher", TAKEN["/var/lib"]["rancher"]),
    Place("/etc/cni", "the runtime runs the CNI plugins that it names, as root"),
    Place("/usr/libexec/cni", "the runtime runs the CNI plugins that lie there, as root"),
    Place("/usr/libexec/kubernetes", "the kubelet runs the volume plugins that lie there, as root"),
    Place("/etc/containerd", "it decides which programs the runtime runs"),
    Place("/etc/docker", "it decides which programs the runtime runs"),
    Place("/etc/crio", "it decides which programs the runtime runs"),
    Place("/etc/containers", "it decides which images and programs the runtime uses"),
    Place("/etc/nri", "the runtime runs plugins that it names"),
    Place("/run/containerd", "the bundles of running containers lie there"),
    Place("/run/crio", "the bundles of running containers lie there"),
    Place("/usr/lib/modules", "kernel modules are loaded from there"),
    *(
        Place(f"{root}/{folder}", reason)
        for folder, reason in (
            ("modprobe.d", "it decides which kernel modules are loaded, and by which command"),
            ("modules-load.d", "it decides which kernel modules are loaded"),
            ("depmod.d", "it decides which kernel modules are found"),
            ("udev", "its rules run programs and load kernel modules"),
            ("systemd", "it decides what the node runs, as root"),
            ("sysctl.d", "it sets the kernel's settings, the program for core dumps among them"),
            ("tmpfiles.d", "it makes any file at boot"),
            ("binfmt.d", "it decides which programs run files"),
            ("kernel", "it goes into what the node boots"),
        )
        for root in ("/etc", "/run", "/usr/lib", "/usr/local/lib")
    ),
    Place("/etc/modprobe.conf", "it decides which kernel modules are loaded, and by which command"),
    Place("/etc/modules", "it decides which kernel modules are loaded"),
    Place("/etc/depmod.conf", "it decides which kernel modules are found"),
    Place("/etc/dracut.conf.d", "it goes into what the node boots"),
    Place("/usr/lib/dracut", "it goes into what the node boots"),
    Place("/etc/initramfs-tools", "it goes into what the node boots"),
    Place("/boot", "the node boots what lies there"),
    Place("/efi", "the node boots what lies there"),
    Place("/usr/src", "kernel modules are built from what lies there"),
    Place("/proc/sys", "it sets the kernel: the programs for core dumps and for loading modules among it"),
    Place("/proc", "it shows and changes the kernel and every process"),
    Place("/sys/fs/cgroup", "it limits every process of the node, and can run a program as root"),
    Place("/sys", "it changes the kernel and its devices"),
    Place("/ostree", "the node boots what lies there"),
    Place("/sysroot", "the node boots what lies there"),
    *(Place(f"/etc/cron.{name}", "cron runs it, as root") for name in ("d", "hourly", "daily", "weekly", "monthly")),
    Place("/etc/crontab", "cron runs it, as root"),
    Place("/etc/anacrontab", "anacron runs it, as root"),
    Place("/var/spool", "cron and at run what lies there, as anybody"),
    Place("/etc/profile.d", "the shell of whoever logs in runs it"),
    Place("/etc/profile", "the shell of whoever logs in runs it"),
    Place("/etc/bash.bashrc", "the shell of whoever logs in runs it"),
    Place("/etc/environment", "programs of whoever logs in follow it"),
    Place("/etc/sudoers", "it gives rights"),
    Place("/etc/sudoers.d", "it gives rights"),
    Place("/etc/pam.d", "it decides who may log in"),
    Place("/etc/passwd", "it says who there is"),
    Place("/etc/shadow", "it decides who may log in"),
    Place("/etc/group", "it says who has whose rights"),
    Place("/etc/ssh", "it decides who may log in"),
    Place("/root", "the keys and the shell of root lie there"),
    Place("/home", "keys and shells of people lie there"),
    Place("/var/home", "keys and shells of people lie there"),
    Place("/etc/ld.so.preload", "every program loads the libraries that it names"),
    Place("/etc/ld.so.conf", "every program loads libraries from the folders that it names"),
    Place("/etc/ld.so.conf.d", "every program loads libraries from the folders that it names"),
    Place("/etc/ld.so.cache", "every program loads the libraries that it names"),
    Place("/etc/NetworkManager", "scripts there are run, as root"),
    Place("/etc/networkd-dispatcher", "scripts there are run, as root"),
    Place("/etc/network", "scripts there are run, as root"),
    Place("/etc/polkit-1", "its rules give rights"),
    Place("/etc/dbus-1", "it decides who may order services of the node"),
    Place("/etc/apt", "it decides what the node installs"),
    Place("/etc/yum.repos.d", "it decides what the node installs"),
    Place("/etc/selinux", "it decides what programs may do"),
    Place("/etc/apparmor.d", "it decides what programs may do"),
    Place("/etc/udev", "its rules run programs and load kernel modules"),
    Place("/etc/fstab", "it decides what is mounted at boot"),
    Place("/etc/rc.local", "it runs at boot, as root"),
    Place("/etc/init.d", "it runs at boot, as root"),
    Place("/usr", "programs of the node lie there"),
    Place("/run/systemd", "systemd follows what lies there"),
    Place("/etc", "it is the configuration of the node"),
)
"""What is known of some other places: the message of a finding quotes the first that holds the path, or lies in it."""
