"""Objects of the corpus with one field changed, and policies and releases that judge them differently."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Parameters, Policy, PolicyException
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.versions import Release
from tests.bench import samples

Object = dict[str, Any]

DAY = datetime(2026, 11, 30, 12, tzinfo=UTC)
PODS = samples.pods()
MODULES = [
    samples.stored(defaulted(item)) for item in samples.objects(samples.MODULES, "Module", "ManagedClusterModule")
]
FACTS = SnapshotFacts(json.loads(samples.cluster([*MODULES, *PODS]))["items"], {"Module", "Node"})
JOBS = "system:serviceaccount:kube-system:job-controller"


def exception(rule: str, name: str = "") -> PolicyException:
    return PolicyException(rule, "", "", name, "alice", "T-1", date(2026, 11, 30))


POLICIES = [
    Policy(),
    Policy("parity"),
    Policy("strict"),
    Policy(parameters=Parameters(max_mappings=1, allowed_registries=("quay.io/acme",))),
    Policy(exceptions=(exception("SEL101"), exception("KMM203"), exception("IMG102", "tenstorrent"))),
    Policy(parameters=Parameters(max_mappings=1), exceptions=(exception("MAP301"),)),
]
RELEASES = [Release("head"), Release("2.1"), Release("2.4", True)]

values = st.recursive(
    st.sampled_from(["", "a", "latest", "^a$", "quay.io/a/b:1", "/dev", "true"]) | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "key", "a"]), inner, max_size=2)
    ),
    max_leaves=3,
)


@st.composite
def changed(draw: st.DrawFn, item: Object) -> Object:
    """The object with one field changed, removed or added, wherever it stands."""
    item = copy.deepcopy(item)
    node: Any = item
    while True:
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        key = draw(st.sampled_from(keys))
        if isinstance(node[key], dict | list) and node[key] and draw(st.integers(0, 5)):
            node = node[key]
            continue
        if draw(st.integers(0, 3)) == 0 and node is not item:
            del node[key]
        elif not (node is item and key in ("kind", "metadata")):
            node[key] = draw(values)
        return item
