"""Objects are read as kubectl reads them."""

from __future__ import annotations

from kmodgate.policy.formats.yaml_documents import OBJECTS, parse
from kmodgate.policy.formats.yaml_scalars import as_kubectl
from tests.goyaml_client import GoYAML, needs_goyaml

ODD = [
    "y", "N", "yes", "No", "ON", "off", "0644", "0o644", "-0644", "08", "-08", "1e3", "1E+3", "1_000", "0x_ff", "0b101",
    "+5", "1:30", "2024-01-01", "=", "18446744073709551615", "18446744073709551616", "-9223372036854775809", "1_0.5",
    "+.5", "0o8", "0b2", "00", "0_7", "-0", "-0.0", "1e400",
]  # fmt: skip


@needs_goyaml
def test_a_plain_scalar_is_what_kubectl_makes_of_it() -> None:
    with GoYAML() as kubectl:
        for text in ODD:
            documents, found = parse(f"a: {text}\n", "x", OBJECTS)
            try:
                wanted = kubectl.decode(f"a: {text}\n")
            except ValueError:
                continue
            value, read = documents[0].value["a"], wanted["a"]  # type: ignore[index,call-overload]
            if isinstance(value, float):  # Go writes a large float without an exponent
                read = float(read)
            assert (value, type(value)) == (read, type(read)), text
            assert all(finding.mode == "warn" for finding in found)


def test_objects_may_be_larger_and_deeper_than_specs_and_have_anchors() -> None:
    text = "a: &x 1\nb: !!str 5\n" + "c: " + "[" * 50 + "]" * 50 + "\n# " + "x" * (2 << 20)
    documents, found = parse(text, "x", OBJECTS)
    assert documents[0].value["a"] == 1  # type: ignore[index,call-overload]
    assert [finding.rule for finding in found] == ["SCH004"]
    deep = parse("a: " + "[" * 10_000, "x", OBJECTS)[1]
    assert [finding.rule for finding in deep] == ["SCH007"]


def test_as_kubectl_leaves_text_alone() -> None:
    assert as_kubectl("1:30") == "1:30"
