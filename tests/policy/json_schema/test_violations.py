"""What is said of a value that the schema does not allow."""

from __future__ import annotations

import pytest

from kmodgate.policy.json_schema.violations import not_in

DELIVERIES = ["kmm", "daemonset", "hub"]


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        ("daemonsets", "did you mean daemonset?"),
        (["daemonset"], "did you mean daemonset?"),
        (["kmm", "daemonset"], "one of: kmm, daemonset, hub"),
        ("olm-operator", "one of: kmm, daemonset, hub"),
    ],
)
def test_one_word_is_named_only_where_one_is_meant(value: object, fix: str) -> None:
    assert not_in(("spec", "delivery"), value, DELIVERIES, "enum").fix == fix
