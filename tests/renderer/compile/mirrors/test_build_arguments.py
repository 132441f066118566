"""Base images that builds take from mirrors, by build arguments."""

from __future__ import annotations

import pytest

from kmodgate.policy.formats.dockerfiles import parse_dockerfile
from kmodgate.policy.formats.image_mirrors import Mirror
from kmodgate.renderer.compile.mirrors.build_arguments import arguments

MIRRORS = (Mirror("quay.io/acme", "m.example/a", "tag"), Mirror("ghcr.io", "m.example/g", "tag"))


def _arguments(text: str, **given: str) -> tuple[dict[str, str], list[str]]:
    found = arguments(parse_dockerfile(text), given, MIRRORS)
    return {name: item.reference for name, item in found.values.items()}, [image for image, _, _ in found.fixed]


@pytest.mark.parametrize(
    ("text", "given", "values"),
    [
        ("ARG BASE=quay.io/acme/b:1\nFROM ${BASE}\n", {}, {"BASE": "m.example/a/b:1"}),
        ("ARG BASE\nFROM $BASE AS x\n", {"BASE": "quay.io/acme/b:1"}, {"BASE": "m.example/a/b:1"}),
        ("ARG R=ghcr.io\nFROM ${R}/x/b:1\nFROM ${R}/y:2\n", {}, {"R": "m.example/g"}),
        ("ARG R=ghcr.io\nARG P=x/b\nFROM ${R}/${P}:1\n", {}, {"R": "m.example/g"}),
        ("ARG R=quay.io\nARG P=acme/b\nFROM ${R}/${P}:1\n", {}, {"R": "m.example", "P": "a/b"}),
        ("ARG B=ghcr.io/x\nFROM ${B}:${KERNEL_FULL_VERSION}\n", {}, {"B": "m.example/g/x"}),
        ("ARG R=ghcr.io\nARG B=${R}/x:1\nFROM ${B}\n", {}, {"B": "m.example/g/x:1"}),
        ("FROM ${BASE:-ghcr.io/x:1}\n", {}, {"BASE": "m.example/g/x:1"}),
        ("ARG BASE=docker.io/x:1\nFROM ${BASE}\n", {}, {}),
        ("FROM ${DTK_AUTO}\nFROM scratch\n", {}, {}),
        ("ARG DTK_AUTO=quay.io/acme/dtk:1\nFROM ${DTK_AUTO}\n", {}, {}),
    ],
)
def test_arguments_name_the_mirror(text: str, given: dict[str, str], values: dict[str, str]) -> None:
    assert _arguments(text, **given) == (values, [])


@pytest.mark.parametrize(
    "text",
    [
        "FROM ghcr.io/x:1\n",
        "FROM a.example/x:1\nCOPY --from=ghcr.io/x:1 /a /b\n",
        "ARG T=1\nFROM ghcr.io/x:${T}\n",
    ],
)
def test_an_image_that_no_argument_names_is_told(text: str) -> None:
    assert _arguments(text) == ({}, ["ghcr.io/x:1"])


def test_an_argument_stays_if_another_image_would_move_with_it() -> None:
    text = "ARG R=quay.io\nFROM ${R}/acme/b:1\nFROM ${R}/other/c:1\n"
    assert _arguments(text) == ({}, ["quay.io/acme/b:1"])
