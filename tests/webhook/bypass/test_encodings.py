"""Bytes that readers disagree about, and objects of the largest size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.conftest import Kmodgate
from tests.webhook.reviews import broken_module, module, review, uid
from tests.webhook.server import Webhook

NUMBERS = {
    "NaN": b"NaN", "Infinity": b"Infinity", "an integer of 5,000 digits": b"9" * 5000, "a lone surrogate": rb'"\ud800"',
    "nesting": b"[" * 1025 + b"]" * 1025, "a key that is no string": b"{1: 2}", "bytes that are no UTF-8": b'"\xff"',
}  # fmt: skip


@pytest.mark.parametrize("value", NUMBERS.values(), ids=NUMBERS.keys())
@pytest.mark.parametrize("size", [0, 300_000], ids=["small", "large"])
def test_what_cannot_be_decoded_is_denied(strict: Webhook, value: bytes, size: int) -> None:
    item = broken_module()
    item["metadata"]["annotations"] = {"a": "x" * size}
    item["spec"]["selector"] = "VALUE"
    asked = review("CREATE", "Module", item)
    reply = strict.post(json.dumps(asked).encode().replace(b'"VALUE"', value))
    assert (reply.response["uid"], reply.allowed) == (uid(asked), False)


def twice(key: str, first: object, second: object) -> bytes:
    return f"{json.dumps(key)}: {json.dumps(first)}, {json.dumps(key)}: {json.dumps(second)}".encode()


def test_of_a_key_that_stands_twice_the_last_counts_as_for_the_api_server(strict: Webhook) -> None:
    container = module()["spec"]["moduleLoader"]["container"]
    for images, allowed in (
        (("quay.io/acme/nic", "quay.io/acme/nic:1"), True),
        (("quay.io/acme/nic:1", "quay.io/acme/nic"), False),
    ):
        item = module(containerImage="IMAGE")
        body = json.dumps(review("CREATE", "Module", item)).encode()
        body = body.replace(b'"containerImage": "IMAGE"', twice("containerImage", *images))
        assert ("KMM205" not in strict.post(body).rules()) is allowed, container


def test_a_key_that_stands_twice_is_refused_before_there_is_an_api_server(kmodgate: Kmodgate, tmp_path: Path) -> None:
    text = json.dumps(module(containerImage="IMAGE")).encode()
    (tmp_path / "module.json").write_bytes(
        text.replace(b'"containerImage": "IMAGE"', twice("containerImage", "a:1", "b:1"))
    )
    (tmp_path / "module.yaml").write_text(f"{yaml.safe_dump(module())}kind: Module\n")
    for name in ("module.json", "module.yaml"):
        done = kmodgate("check", tmp_path / name)
        assert done.returncode != 0
        assert "twice" in done.stdout + done.stderr


def test_objects_of_the_largest_size_are_judged_and_not_waved_through(strict: Webhook) -> None:
    old, new = module(), broken_module()
    for item in (old, new):
        item["metadata"]["annotations"] = {"a": "x" * (3 << 20)}
    reply = strict.post(review("UPDATE", "Module", new, old), timeout="30s")
    assert {"KMM203", "KMM205"} <= set(reply.rules())
