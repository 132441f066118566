"""The release file of a driver-toolkit image: the kernels that it names, as `uname -r` prints them."""

from __future__ import annotations

import json

import pytest

from kmodgate.policy.kmm.nodes.driver_toolkit import kernels_of

EL9_4, EL9_2, EL8 = "5.14.0-427.13.1.el9_4.x86_64", "5.14.0-284.30.1.el9_2.x86_64", "4.18.0-372.9.1.el8.x86_64"


@pytest.mark.parametrize(
    ("kernel", "real_time", "expected"),
    [
        (EL9_4, EL9_4, (EL9_4, f"{EL9_4}+rt")),  # as releases before 4.17 have it
        (EL9_4, f"{EL9_4}+rt", (EL9_4, f"{EL9_4}+rt")),
        (EL9_2, "5.14.0-284.30.1.rt14.315.el9_2.x86_64", (EL9_2, "5.14.0-284.30.1.rt14.315.el9_2.x86_64")),
        (EL8, "4.18.0-372.9.1.rt7.166.el8.x86_64", (EL8, "4.18.0-372.9.1.rt7.166.el8.x86_64")),
        (
            EL9_4.replace("x86_64", "aarch64"),
            "package kernel-rt-core is not installed",
            (EL9_4.replace("x86_64", "aarch64"),),
        ),
        (EL9_4, "", (EL9_4,)),
        (EL9_4, None, (EL9_4,)),
    ],
)
def test_a_release_names_its_kernels(kernel: str, real_time: str | None, expected: tuple[str, ...]) -> None:
    data = json.dumps({"KERNEL_VERSION": kernel, "RT_KERNEL_VERSION": real_time, "RHEL_VERSION": "9.4"})
    assert kernels_of(data.encode()) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"null",
        b"{}",
        b'{"KERNEL_VERSION": 5}',
        b'{"KERNEL_VERSION": "package"}',
        b"[" * 100_000,
        b'"5.14.0-1"',
    ],
)
def test_another_file_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"KERNEL_VERSION|JSON|nested"):
        kernels_of(data)
