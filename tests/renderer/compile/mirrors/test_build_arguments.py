"""Base images that builds take from mirrors, by build arguments."""

from __future__ import annotations

import pytest

from kmodgate.policy.formats.dockerfiles import parse_dockerfile
from kmodgate.policy.formats.image_mirrors import Mirror
from kmodgate.renderer.compile.mirrors.build_arguments import arguments

MIRRORS = (Mirror("quay.io/acme", "m.example/a", "tag"), Mirror("ghcr.io", "m.example/g", "tag"))


def _arguments(text: str, **given: str) -> tuple[dict[str, str], list[str]]:
    found = arguments(parse_dockerfile(text), given, MIRRORS)
    return {name: item.reference for name, item in found.values.items()}, [item.image for item in found.fixed]


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


def _fixes(text: str, **given: str) -> list[str]:
    return [item.fix for item in arguments(parse_dockerfile(text), given, MIRRORS).fixed]


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("FROM ghcr.io/x:1\n", "write ARG BASE=ghcr.io/x:1 before the first FROM, and ${BASE} here"),
        (
            "FROM ghcr.io/x:${KERNEL_FULL_VERSION}\n",
            "write ARG BASE=ghcr.io/x before the first FROM, and ${BASE}:${KERNEL_FULL_VERSION} here",
        ),
        (
            "FROM a\nCOPY --from=ghcr.io/x:1 /a /b\n",
            "write ARG BASE=ghcr.io/x:1 before the first FROM, FROM ${BASE} AS base above this stage, and from=base here",
        ),
        (
            "FROM a AS base\nRUN --mount=type=bind,from=ghcr.io/x:1,target=/x make\n",
            "write ARG BASE_2=ghcr.io/x:1 before the first FROM, FROM ${BASE_2} AS base_2 above this stage, "
            "and from=base_2 here",
        ),
    ],
)
def test_the_fix_names_the_image_by_an_argument(text: str, fix: str) -> None:
    assert _fixes(text) == [fix]


@pytest.mark.parametrize("text", ["ARG BASE=a\nFROM ghcr.io/x:1\n", "FROM ghcr.io/x:1\nARG BASE\n"])
def test_the_argument_of_a_fix_is_free(text: str) -> None:
    assert "ARG BASE_2=" in _fixes(text)[0]
    assert "ARG BASE_3=" in _fixes(text, BASE_2="a")[0]


def test_each_image_has_an_argument_of_its_own_and_one_image_the_same_everywhere() -> None:
    fixes = _fixes("FROM ghcr.io/x:1\nFROM ghcr.io/y:1\nFROM ghcr.io/x:1\n")
    assert ["ARG BASE=" in fixes[0], "ARG BASE_2=" in fixes[1], fixes[2] == fixes[0]] == [True] * 3


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nCOPY --from=ghcr.io/x:1 /a /b\n",
        "FROM a\nRUN --mount=type=bind,from=ghcr.io/x:1 make\n",
        "ARG T=1\nFROM ghcr.io/x:${T}\n",
        "FROM ghcr.io/x:${KERNEL_VERSION}\n",
    ],
)
def test_a_dockerfile_that_follows_the_fix_takes_the_image_from_the_mirror(text: str) -> None:
    name, value, use, stage = _parts(_fixes(text)[0])
    image = "m.example/g/x" if value == "ghcr.io/x" else "m.example/g/x:1"
    followed = f"ARG {name}={value}\nFROM {use} AS {stage}\nFROM a\nCOPY --from={stage} /a /b\n"
    assert _arguments(followed) == ({name: image}, [])


def _parts(fix: str) -> tuple[str, str, str, str]:
    """The name and value of the argument that a fix declares, its use in a FROM, and the name of a stage."""
    words = fix.replace(",", "").split()
    name, _, value = words[2].partition("=")
    use = next(word for word in words if word.startswith("${"))
    return name, value, use, name.lower()


def test_a_variable_of_a_copied_image_moves_nothing() -> None:
    text = "ARG BASE=ghcr.io/x:1\nFROM a\nCOPY --from=${BASE} /a /b\n"
    assert _arguments(text) == ({}, ["ghcr.io/x:1"])


def test_an_argument_never_gets_a_variable_that_nobody_fills() -> None:
    text = "ARG KERNEL_FULL_VERSION\nARG B=ghcr.io/x:${KERNEL_FULL_VERSION}\nFROM ${B}\n"
    assert _arguments(text) == ({}, ["ghcr.io/x:${KERNEL_FULL_VERSION}"])
