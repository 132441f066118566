"""The part of docs/rules.md about what workloads can do to their nodes: who may, and what is harmless."""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.kata.view import HANDLERS
from kmodgate.policy.node_access.capabilities import HARMLESS as CAPABILITIES
from kmodgate.policy.node_access.inline_csi import HARMLESS as INLINE
from kmodgate.policy.node_access.node_places import HARMLESS, OWN_FOLDERS, STATE, TAKEN
from kmodgate.policy.node_access.node_sockets import MOUNT_FOLDERS, MOUNT_POINTS, SOCKETS
from kmodgate.policy.node_access.starters import STARTERS

_KERNEL_ACCESS = """\
## What may load kernel modules

The ServiceAccounts that the PRV rules about pods pass over without being told. `parameters.kernelAccess` of a
DriverPolicy adds others. The pods that KMM's controllers make are known by who makes them, never by a label.

Those of a platform count on its clusters only: where the Cluster spec says so, and to the webhook `--platform`; where
nobody says, plain Kubernetes is assumed. What is bound to no platform counts on all, whether or not a cluster has the
product: see [security.md](security.md#accounts-that-are-approved-from-the-start).

| what | platform | namespace | ServiceAccount | source of the names |
| --- | --- | --- | --- | --- |
"""


_HARMLESS = """\
## What is harmless to a node

What the PRV rules find is everything but this. A path counts after the links that nodes have, and with its `subPath`.

| a container may write to | because |
| --- | --- |
"""

_NOT_OWN = """
These names below `{}` are the node's own (`*` is any end):

| name | because |
| --- | --- |
"""

_STATE = """
These in other harmless places are the node's own, with the folders around them (`*` is any name):

| path | because |
| --- | --- |
"""

_ORDERS = """
Reading is enough to give orders by these sockets, and by others of their names:

| socket | who uses it |
| --- | --- |
"""

_MOUNTED = """
`readOnly: true` leaves these writable where they lie below what is mounted, unless `recursiveReadOnly` is `Enabled`:

| mounted by nodes | because |
| --- | --- |
"""

_CAPABILITIES = """
| capability | harmless, because |
| --- | --- |
"""

_INLINE = """
| CSI driver that a pod may ask for inline | what it brings |
| --- | --- |
"""

_HANDLERS = """
A RuntimeClass is Kata by its handler, where `parameters.kata.handlers` of the policy names no others for it: {}.
"""


def _harmless() -> str:
    own = [(f"{place.path}/<name>", f"{place.reason}; but for the names below") for place in OWN_FOLDERS]
    parts = [_HARMLESS, _rows([*HARMLESS, *own, ("device nodes", "but for disks and memory")])]
    for folder, names in TAKEN.items():
        parts += [_NOT_OWN.format(folder), _rows(names.items())]
    parts += [_STATE, _rows(STATE)]
    parts += [_ORDERS, _rows((place.path, f"who does {place.reason}") for place in SOCKETS)]
    parts += [_MOUNTED, _rows((*MOUNT_POINTS, *MOUNT_FOLDERS))]
    parts += [_CAPABILITIES, _rows(CAPABILITIES.items()), _INLINE, _rows(INLINE.items())]
    return "".join([*parts, _HANDLERS.format(_names(sorted(HANDLERS)))])


def _rows(items: Iterable[tuple[str, str]]) -> str:
    return "".join(f"| `{name}` | {reason} |\n" for name, reason in items)


def sections() -> list[str]:
    """Return the sections of the page."""
    return [_starters(), _harmless()]


def _starters() -> str:
    return _KERNEL_ACCESS + "".join(
        f"| {item.what} | {item.platform or 'any'} | `{item.namespace}` | {_names(item.accounts)} | {item.source} |\n"
        for item in STARTERS
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
