"""The release file of OpenShift's driver-toolkit image → the kernels that the release brings.

Source: the last layer in the Dockerfiles of github.com/openshift/driver-toolkit, which writes
`/etc/driver-toolkit-release.json`.
"""

from __future__ import annotations

import json

from kmodgate.policy.kmm.kernel import flavour
from kmodgate.policy.lazy import lazy_regex

KERNEL = lazy_regex(r"[0-9]+\.[0-9]+[.-][0-9][A-Za-z0-9._+~-]*")
"""A kernel version as `uname -r` prints it."""


def kernels_of(data: bytes) -> tuple[str, ...]:
    """Return the kernel of a release and, where it has one, its real-time kernel. Raises ValueError.

    Releases without a real-time kernel have an error of rpm in its place. Some releases leave out the `+rt` that
    `uname -r` prints.
    """
    try:
        release = json.loads(data)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    kernel = release.get("KERNEL_VERSION") if isinstance(release, dict) else None
    if not isinstance(kernel, str):
        raise ValueError("has no KERNEL_VERSION")
    if not KERNEL.fullmatch(kernel):
        raise ValueError(f"has a KERNEL_VERSION that is no kernel version: {kernel[:80]!r}")
    real_time = release.get("RT_KERNEL_VERSION")
    if not isinstance(real_time, str) or not KERNEL.fullmatch(real_time):
        return (kernel,)
    return kernel, real_time if flavour(real_time) else f"{real_time}+rt"
