"""Image references are taken and refused as runtimes do it, and the message says why."""

from __future__ import annotations

import pytest
from docker_image.digest import InvalidDigest
from docker_image.reference import InvalidReference, Reference
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kmodgate.policy.formats.image_references import Image, corrected, oddity, parse_image
from tests.draws import drawn

words = st.text(alphabet="ab0.-_A", max_size=6) | st.sampled_from(["library", "localhost", "docker.io", "x" * 252])
registries = st.sampled_from(["quay.io", "[::1]:5000", "registry:5000", "REG", "index.docker.io", "a_b.io"]) | words
paths = st.lists(words, min_size=1, max_size=3).map("/".join) | st.integers(240, 260).map("p".__mul__)
tags = st.text(alphabet="a0._-:+", max_size=5) | st.integers(126, 130).map("t".__mul__)
digests = st.builds(
    lambda algorithm, digit, count: f"{algorithm}:{digit * count}",
    st.sampled_from(["sha256", "sha384", "sha512", "md5", "sha-256", ""]),
    st.sampled_from("a0gF"),
    st.sampled_from([0, 31, 32, 63, 64, 65, 96, 128]),
)
references = st.builds(
    lambda registry, path, tag, digest: f"{registry}{path}{tag}{digest}",
    st.just("") | registries.map("{}/".format),
    paths,
    st.just("") | tags.map(":{}".format),
    st.just("") | digests.map("@{}".format),
)


def docker(text: str) -> Image | None:
    """The parts as Docker's own rules give them."""
    try:
        found = Reference.parse_normalized_named(text)
    except (InvalidReference, InvalidDigest):
        return None
    return Image(found.domain(), found.path(), found["tag"] or "", found["digest"] or "")


@given(references | st.text(alphabet="ab0./:@-_A[]", max_size=20))
@example("a" * 64)
@example("quay.io/" + "p" * 255)
@example("p" * 248)
@example("a_b.io/0")
@settings(max_examples=drawn(200))
def test_a_reference_is_one_where_it_is_one_to_docker(text: str) -> None:
    found, wanted = parse_image(text), docker(text)
    assert (found is None) == (wanted is None), text
    if found is None or wanted is None:
        return
    assert (found.tag, found.digest) == (wanted.tag, wanted.digest)
    assert wanted.path in (found.path, f"library/{found.path}")
    assert wanted.registry == ({"index.docker.io": "docker.io"}.get(found.registry, found.registry) or "docker.io")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"quay.io/a/b@sha256:{'a' * 63}", "63 digits"),
        (f"quay.io/a/b@sha512:{'a' * 64}", "64 digits, and sha512 has 128"),
        (f"quay.io/a/b@md5:{'a' * 32}", "no digest"),
        (f"quay.io/a/b@sha256:{'A' * 64}", "other characters"),
        (f"quay.io/{'p' * 256}:1", "more than 255"),
        ("p" * 248, "more than 255"),
        ("my_registry.io/acme/nic:1", "'my_registry.io' is the name of no registry"),
        ("a" * 64, "id of a local image"),
        ("quay.io/Acme/nic:1", "'A' is a capital"),
        ("quay.io/acme/nic 1:1", "' ' is not allowed"),
    ],
    ids=lambda text: text[:24],
)
def test_a_refusal_names_its_reason(text: str, reason: str) -> None:
    assert parse_image(text) is None
    assert reason in oddity(text)


def test_a_long_path_is_counted_without_its_registry() -> None:
    assert parse_image("registry.example.com/" + "p" * 255) is not None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("docker://quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}", "quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}"),
        (" https://quay.io/acme/nic:1 ", "quay.io/acme/nic:1"),
        ("Quay.io/Acme/Nic:V1", "quay.io/acme/nic:V1"),
        ("quay.io/acme/nic:1+2", ""),
        ("quay.io/acme/nic:1", ""),
        ("quay.io/Acme/${NAME}:1", ""),
        ("quay.io/acme//nic:1", "quay.io/acme/nic:1"),
        ("quay.io/acme/nic:$(KERNEL_FULL_VERSION)", "quay.io/acme/nic:${KERNEL_FULL_VERSION}"),
        (f"quay.io/acme/nic@sha256:{'A' * 64}", f"quay.io/acme/nic@sha256:{'a' * 64}"),
    ],
)
def test_a_name_is_corrected_where_nothing_is_invented(text: str, name: str) -> None:
    assert corrected(text) == name
