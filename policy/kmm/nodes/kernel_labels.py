"""The node label by which a DaemonSet finds the nodes of its kernel, and the marks of such a DaemonSet.

Source: source/kernel of Node Feature Discovery.
"""

NFD_LABEL = "feature.node.kubernetes.io/kernel-version.full"
"""The label in which Node Feature Discovery writes `uname -r`; it writes none for a kernel with a `+`."""

KERNEL_ANNOTATION = "kmodgate.io/kernel"
"""The kernel that a DaemonSet loads a driver for, as `uname -r` prints it."""

KERNEL_LABEL_ANNOTATION = "kmodgate.io/kernel-label"
"""The key of the node label that names the kernel."""
