"""Texts that can be read in more than one way: expressions, images, paths, addresses."""

from __future__ import annotations

import pytest

from tests.webhook.api_stub import ApiStub
from tests.webhook.reviews import module, namespace, pod, review
from tests.webhook.server import Webhook

SLOW = ["^(a+)+$", "^(a|aa)+$", "^(.*)*$", "^(([a-z])+.)+[A-Z]([a-z])+$", f"^{'(a?)' * 200}{'a' * 200}$"]


@pytest.mark.parametrize("regexp", SLOW, ids=range(len(SLOW)))
def test_an_expression_that_backtracks_elsewhere_is_answered_in_time(strict: Webhook, regexp: str) -> None:
    mappings = [
        {"regexp": regexp, "containerImage": "quay.io/acme/nic:1"},
        {"literal": "a" * 60 + "!", "containerImage": "quay.io/acme/nic:2"},
    ]
    reply = strict.post(review("CREATE", "Module", module(kernelMappings=mappings)), timeout="10s")
    assert reply.allowed or reply.code == 422


def test_an_expression_that_matches_more_than_it_seems_to_is_found(strict: Webhook) -> None:
    mappings = [{"regexp": "4.18", "containerImage": "quay.io/acme/nic:1"}]
    assert "MAP202" in strict.post(review("CREATE", "Module", module(kernelMappings=mappings))).rules()


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        ("registry:5000/acme/nic", "IMG101"),
        ("quay.io/acme.evil.example/nic:1", "IMG301"),
        ("quay.io/acmeevil/nic:1", "IMG301"),
        ("quay.io.evil.example/acme/nic:1", "IMG301"),
        ("evil.example/quay.io/acme/nic:1", "IMG301"),
        ("QUAY.IO/acme/nic:1", "IMG301"),
        ("quay.io/acme/../evil/nic:1", "IMG104"),
        ("quay.io//acme/nic:1", "IMG104"),
    ],
)
def test_an_image_is_read_in_its_parts(strict: Webhook, image: str, rule: str) -> None:
    reply = strict.post(review("CREATE", "Module", module(containerImage=image)))
    assert rule in reply.rules() + reply.rules("warned-by")


@pytest.mark.parametrize(
    "path", ["/lib/modules/../modules", "//lib//modules", "/lib/./modules/", "/../lib/modules", "/opt/../lib"]
)
def test_a_path_of_the_node_is_read_in_its_parts(strict: Webhook, path: str) -> None:
    container = {"name": "a", "image": "quay.io/acme/a:1", "securityContext": {"privileged": True}}
    mounted = container | {"volumeMounts": [{"name": "v", "mountPath": "/m"}]}
    item = pod(containers=[mounted], volumes=[{"name": "v", "hostPath": {"path": path}}])
    assert "PRV102" in strict.post(review("CREATE", "Pod", item)).rules()


@pytest.mark.parametrize("path", ["/run/crio", "/var/run/crio", "/proc/sys/kernel", "/lib/modprobe.d", "/sbin"])
def test_a_folder_around_what_is_looked_for_is_found(strict: Webhook, path: str) -> None:
    container = {"name": "a", "image": "quay.io/acme/a:1", "volumeMounts": [{"name": "v", "mountPath": "/m"}]}
    item = pod(containers=[container], volumes=[{"name": "v", "hostPath": {"path": path}}])
    assert strict.post(review("CREATE", "Pod", item)).rules() == ["PRV106"]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/opt/../etc/shadow", "SGN103"),
        ("/opt//../a.ko", "SGN103"),
        ("/opt/a.ko; cat /run/key", "INJ101"),
        ("/opt/$(id).ko", "INJ101"),
        ("/optional/a.ko", "KMM502"),
    ],
)
def test_a_file_to_sign_is_read_in_its_parts(strict: Webhook, path: str, rule: str) -> None:
    sign = {"filesToSign": [path], "keySecret": {"name": "key"}, "certSecret": {"name": "cert"}}
    assert rule in strict.post(review("CREATE", "Module", module(sign=sign))).rules()


def test_no_address_in_an_object_is_ever_asked(stub: ApiStub, watching: Webhook) -> None:
    before = len(stub.asked)
    item = module("../../secrets", "..%2fsecrets", containerImage=f"127.0.0.1:{stub._port}/a:1")
    item["metadata"]["annotations"] = {"a": f"http://127.0.0.1:{stub._port}/metadata"}
    item["spec"]["moduleLoader"]["container"]["sign"] = {
        "filesToSign": ["/opt/a.ko"], "keySecret": {"name": "../key"}, "certSecret": {"name": "../../namespaces"},
    }  # fmt: skip
    watching.post(review("CREATE", "Module", item))
    watching.post(review("DELETE", "Namespace", None, namespace("../drivers")))
    asked = {request.raw_path for request in stub.asked[before:] if "watch" not in request.query}
    # The webhook's own label selectors have escapes in their query; a path of its own never has one.
    assert not [path for path in asked if ".." in path or "metadata" in path or "%" in path.partition("?")[0]], asked
