"""Capabilities of Linux that are harmless to the node's kernel and to what others run there, each with the reason.

Sources: capabilities(7) of Linux; the default capabilities of containerd and CRI-O.
"""

from __future__ import annotations

_DEFAULT = "container runtimes give it to every container"
_NETWORK = "it is about networks"
_LIMITS = "it is about the container's share of the node"

HARMLESS = {
    **dict.fromkeys(
        ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
         "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
        _DEFAULT,
    ),
    "NET_ADMIN": _NETWORK,
    "NET_BROADCAST": _NETWORK,
    "SYS_NICE": _LIMITS,
    "SYS_RESOURCE": _LIMITS,
    "IPC_LOCK": _LIMITS,
    "SYS_TIME": "it sets the clock",
    "IPC_OWNER": "it is about the container's own IPC",
    "LEASE": "it is about files that the container sees anyway",
    "WAKE_ALARM": "it wakes the machine",
    "BLOCK_SUSPEND": "it keeps the machine awake",
    "AUDIT_CONTROL": "it is about the audit log",
    "AUDIT_READ": "it is about the audit log",
    "SYSLOG": "it shows the kernel's log",
    "SYS_PTRACE": "the container sees no other processes than its own; with hostPID another rule looks at it",
}  # fmt: skip

LOADING = ("SYS_MODULE", "ALL")
"""Those by which a container loads kernel modules itself."""


def capability(name: str) -> str:
    """A capability as runtimes read it: in any letters, with or without `CAP_`."""
    return name.upper().removeprefix("CAP_")
