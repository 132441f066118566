"""Reviews and objects of any form and length."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.config import Policy
from kmodgate.policy.engine import MOST_FINDINGS
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.fail_closed import decide
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from tests.draws import drawn
from tests.objects.modules import TRAITS
from tests.webhook.hostile.sending import MIB
from tests.webhook.program import memory
from tests.webhook.reviews import CLUSTER, Object, broken_module, dump, module, review, uid
from tests.webhook.server import Webhook, serving


@pytest.mark.parametrize("mappings", [2_000, 20_000])
def test_more_mappings_than_the_policy_allows_are_refused_and_not_compiled(target: Webhook, mappings: int) -> None:
    items = [{"regexp": f"^a{number}(b|c)*$", "containerImage": ""} for number in range(mappings)]
    reply = target.post(review("CREATE", "Module", module(kernelMappings=items)), timeout="30s")
    assert reply.code == 422


REVIEW = json.dumps(review("UPDATE", "Module", broken_module(), module())).encode()


@settings(max_examples=drawn(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_review_with_bytes_exchanged_is_answered(target: Webhook, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(REVIEW) - 1))
    end = data.draw(st.integers(start, min(start + 40, len(REVIEW))))
    put = data.draw(
        st.binary(max_size=20) | st.sampled_from([b"null", b"{}", b"[]", b'""', b"1e999", b"-0", b"[" * 2000])
    )
    reply = target.post(REVIEW[:start] + put + REVIEW[end:], data.draw(st.sampled_from(["/validate", "/mutate"])))
    assert reply.status in (200, 400)
    assert reply.body
    if reply.status == 200:
        assert reply.response["uid"]
        assert reply.allowed or reply.code in (400, 422)


# any JSON, where the API server puts objects
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(["spec", "metadata", "kind", "name"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=drawn(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_object_of_any_kind_is_answered(target: Webhook, data: st.DataObject) -> None:
    kind = data.draw(
        st.sampled_from(["Module", "Pod", "Namespace", "Secret", "RoleBinding", "Deployment", "PreflightValidation"])
    )
    operation = data.draw(st.sampled_from(["CREATE", "UPDATE", "DELETE", "CONNECT"]))
    new, old = (
        data.draw(st.dictionaries(st.sampled_from(["spec", "metadata", "subjects", "data"]), ANY)) for _ in "no"
    )
    subresource = data.draw(st.sampled_from(["", "finalize", "ephemeralcontainers"]))
    asked = review(operation, kind, subResource=subresource, name="a", namespace="apps") | {}
    asked["request"] |= {
        "object": new,
        "oldObject": old,
        data.draw(st.sampled_from(["userInfo", "options", "name"])): data.draw(ANY),
    }
    for path in ("/validate", "/mutate"):
        reply = target.post(asked, path)
        assert reply.response["uid"] == uid(asked)
        assert reply.allowed or reply.code in (400, 403, 422, 503)


@pytest.mark.timing
def test_the_process_for_large_bodies_may_be_lost(tmp_path: Path) -> None:
    with serving(tmp_path, facts=dump(*CLUSTER)) as server:
        item = broken_module()
        item["metadata"]["annotations"] = {"a": "x" * MIB}
        asked = review("CREATE", "Module", item)
        assert server.post(asked).code == 422
        (child,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        assert server.post(asked).code in (422, 500)
        assert server.post(asked).code == 422


SIGNING = {"certSecret": {"name": "a"}, "keySecret": {"name": "b"}}

MODULES = ["nic", *(f"m{number}" for number in range(150_000))]

LONG: dict[str, Object] = {
    "modules": {
        "modprobe": {
            "moduleName": "nic",
            "modulesLoadingOrder": ["nic", "a", *("m" for _ in MODULES)],
            "dirName": "/opt",
        },
    },
    "files": {"sign": SIGNING | {"filesToSign": ["/opt/nic.ko", *(f"/{name}" for name in MODULES)]}},
}


@pytest.mark.parametrize("container", LONG.values(), ids=LONG.keys())
def test_a_rule_is_not_asked_for_more_than_anybody_reads(container: Object) -> None:
    admitter = Admitter(Policy(), TRAITS)
    body = json.dumps(review("CREATE", "Module", module(**container))).encode()
    answer = asyncio.run(decide("/validate", body, admitter, SnapshotCluster(Dump()), datetime.now(UTC)))
    counts = Counter(finding.rule for finding in answer.findings)
    assert max(counts.values()) == MOST_FINDINGS + 1  # the last says that there are more
    assert not answer.is_allowed


@pytest.mark.timing
def test_expressions_that_are_large_are_refused_and_take_no_memory(tmp_path: Path) -> None:
    """Compiled in full, each takes a tenth of a second and several megabytes."""
    with serving(tmp_path, facts=dump(*CLUSTER)) as server:
        server.post(review("CREATE", "Module", module()))
        before = memory(server.pid)["Rss"]
        for count in (20, 900):
            mappings = [{"regexp": f"^(?:\\pL{{10}}){{30}}{number}$", "containerImage": ""} for number in range(count)]
            reply = server.post(review("CREATE", "Module", module(kernelMappings=mappings)))
            assert reply.rules() == ["MAP208"]
        assert memory(server.pid)["Rss"] - before < 64 * MIB
