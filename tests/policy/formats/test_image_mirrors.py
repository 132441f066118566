"""Which mirror a reference is pulled from."""

from __future__ import annotations

import pytest

from kmodgate.policy.formats.image_mirrors import Mirror, is_below, only_mirrored_otherwise, pulled

DIGEST = f"@sha256:{'0' * 64}"


def _pulled(image: str, *sources: str, references: str = "tag") -> str:
    mirrors = [Mirror(source, f"m.example/{index}", references) for index, source in enumerate(sources)]  # type: ignore[arg-type]
    found = pulled(image, mirrors)
    return "" if found is None else found.reference


@pytest.mark.parametrize(
    ("image", "sources", "expected"),
    [
        ("quay.io/acme/nic:1", ("quay.io",), "m.example/0/acme/nic:1"),
        ("quay.io/acme/nic:1", ("quay.io", "quay.io/acme"), "m.example/1/nic:1"),
        ("quay.io/acme/nic:1", ("quay.io/acme/nic", "quay.io/acme"), "m.example/0:1"),
        ("quay.io/acme-labs/nic:1", ("quay.io/acme",), ""),
        ("quay.io/acme/nic-extra:1", ("quay.io/acme/nic",), ""),
        ("quay.io:8443/acme/nic:1", ("quay.io",), ""),
        ("quay.io:8443/acme/nic:1", ("quay.io:8443",), "m.example/0/acme/nic:1"),
        ("quay.io/acme/nic:1-${KERNEL_FULL_VERSION}", ("quay.io/acme",), "m.example/0/nic:1-${KERNEL_FULL_VERSION}"),
        ("busybox", ("docker.io",), "m.example/0/library/busybox"),
        ("acme/nic:1", ("docker.io/acme",), "m.example/0/nic:1"),
        ("docker.io/busybox:1", ("docker.io/library/busybox",), "m.example/0:1"),
        ("a.b.example.com/x:1", ("*.example.com",), "m.example/0/x:1"),
        ("example.com/x:1", ("*.example.com",), ""),
        ("badexample.com/x:1", ("*.example.com",), ""),
        ("${REGISTRY}/x:1", ("docker.io",), ""),
        ("not an image", ("docker.io",), ""),
    ],
)
def test_the_longest_source_wins_at_the_end_of_a_component(image: str, sources: tuple[str, ...], expected: str) -> None:
    assert _pulled(image, *sources) == expected


@pytest.mark.parametrize("reference", [DIGEST, f":1{DIGEST}"])
def test_a_mirror_of_digests_has_digests_only(reference: str) -> None:
    image = f"quay.io/acme/nic{reference}"
    assert _pulled(image, "quay.io", references="digest") == f"m.example/0/acme/nic{reference}"
    assert _pulled("quay.io/acme/nic:1", "quay.io", references="digest") == ""
    assert _pulled(image, "quay.io", references="tag") == ""


def test_a_source_with_a_mirror_of_the_other_type_only_is_told() -> None:
    mirror = Mirror("quay.io", "m.example", "digest")
    assert only_mirrored_otherwise("quay.io/acme/nic:1", [mirror]) == mirror
    assert only_mirrored_otherwise(f"quay.io/acme/nic{DIGEST}", [mirror]) is None
    assert only_mirrored_otherwise("ghcr.io/acme/nic:1", [mirror]) is None


def test_a_place_is_below_itself_and_what_it_begins_with() -> None:
    assert is_below("quay.io/acme", "quay.io/acme")
    assert is_below("quay.io/acme/x", "quay.io/acme")
    assert not is_below("quay.io/acme", "quay.io/acme/x")
