"""Names, label keys and label values: what Kubernetes takes."""

from __future__ import annotations

import pytest

from kmodgate.policy.formats.kubernetes_names import (
    is_dns1123_label,
    is_dns1123_subdomain,
    is_label_value,
    is_qualified_name,
)

LABELS = ["a", "0", "a-b", "a--b", "0-a-0", "x" * 63]
NOT_EVEN_SUBDOMAINS = ["", "-", "a-", "-a", "A", "a_b", "a b", "a\n", "\na", "é", "\u0661", "a/b", "*"]
SUBDOMAINS = [*LABELS, "a.b", "a-b.c-d", "0.0", "x" * 253, ".".join(["x" * 63] * 3)]
NOT_SUBDOMAINS = [*NOT_EVEN_SUBDOMAINS, ".", "a.", ".a", "a..b", "a.-b", "a-.b", "x" * 254, "a.b\n"]
TEXTS = ["a", "A", "0", "a.b", "a_b", "A-b_C.d", "a..b", "a-_-b", "x" * 63]
NOT_TEXTS = ["-a", "a-", "_a", "a.", ".", "a b", "é", "\u0663", "a\n", "x" * 64]


@pytest.mark.parametrize("value", LABELS)
def test_a_dns_label(value: str) -> None:
    assert is_dns1123_label(value)


@pytest.mark.parametrize("value", [*NOT_EVEN_SUBDOMAINS, "a.b", "x" * 64])
def test_not_a_dns_label(value: str) -> None:
    assert not is_dns1123_label(value)


@pytest.mark.parametrize("value", SUBDOMAINS)
def test_a_dns_subdomain(value: str) -> None:
    assert is_dns1123_subdomain(value)


@pytest.mark.parametrize("value", NOT_SUBDOMAINS)
def test_not_a_dns_subdomain(value: str) -> None:
    assert not is_dns1123_subdomain(value)


@pytest.mark.parametrize("value", [*TEXTS, *(f"{prefix}/{name}" for prefix in SUBDOMAINS for name in TEXTS)])
def test_a_label_key(value: str) -> None:
    assert is_qualified_name(value)


@pytest.mark.parametrize(
    "value", ["", "/", "a/", "/a", "a/b/c", "a//b", "A/b", "a_b/c", *NOT_TEXTS, *(f"a/{x}" for x in NOT_TEXTS)]
)
def test_not_a_label_key(value: str) -> None:
    assert not is_qualified_name(value)


@pytest.mark.parametrize("value", ["", *TEXTS])
def test_a_label_value(value: str) -> None:
    assert is_label_value(value)


@pytest.mark.parametrize("value", [" ", "a/b", *NOT_TEXTS])
def test_not_a_label_value(value: str) -> None:
    assert not is_label_value(value)
