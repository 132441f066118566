"""What a person gives of a cluster with IMS: dumps of kubectl and lists of `cray`, in any files and order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import Object, as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding
from kmodgate.policy.ims.given_records import CONFIGURATIONS, RECIPES
from kmodgate.renderer.check.inputs.object_inputs import files_below, read_objects
from kmodgate.renderer.errors import refuse_enforced
from kmodgate.renderer.ims.rollout.cray_lists import EMPTY, JOBS, RECORDS, SESSIONS, cray_list


@dataclass
class GivenState:
    """The objects of all files, and the lists of `cray`; `jobs` and `sessions` are None where no file has them."""

    dump: Dump = field(default_factory=Dump)
    jobs: list[dict[str, Any]] | None = None
    sessions: list[dict[str, Any]] | None = None
    files: dict[str, list[Object]] = field(default_factory=dict)
    """What each file holds: objects, and lists of `cray` as objects of a kind of ours."""

    def objects(self, kind: str) -> Iterator[Object]:
        return (item for item in self.dump.objects if item.get("kind") == kind)

    def has_all(self, kind: str) -> bool:
        """Whether a List of the kind is there, so that what it does not have does not exist."""
        return kind in self.dump.complete


def read_state(paths: Iterable[str]) -> GivenState:
    """Read files and folders. Raises Refused for files that cannot be used."""
    state = GivenState()
    findings: list[Finding] = []
    empty = 0
    for name in (file for path in paths for file in files_below(path)):
        lists: list[str] = []
        sources = list(read_objects(name, findings, lists, cray_list))
        state.files[name] = [source.value for source in sources]
        empty += sum(source.value["kind"] == EMPTY for source in sources)
        for source in sources:
            if source.value["kind"] == JOBS:
                state.jobs = [*(state.jobs or ()), *source.value[RECORDS]]
            elif source.value["kind"] == SESSIONS:
                state.sessions = [*(state.sessions or ()), *source.value[RECORDS]]
        state.dump.add((source for source in sources if source.value["kind"] not in (EMPTY, JOBS, SESSIONS)), lists)
    refuse_enforced(findings, outcome="nothing was compared")
    if empty and state.jobs is None:  # the list that is asked for first
        state.jobs, empty = [], empty - 1
    if empty and state.sessions is None:
        state.sessions = []
    return state


def name_of(item: Object) -> str:
    return str(metadata_of(item).get("name", ""))


_LISTS = {
    JOBS: "a list of jobs of IMS",
    SESSIONS: "a list of CFS sessions",
    RECIPES.rpartition("/")[2]: "a list of recipes",
    CONFIGURATIONS.rpartition("/")[2]: "CFS configurations",
    EMPTY: "an empty list",
}


def description(item: Object) -> str:
    """Say what an object is: its kind and name, or which list of `cray`."""
    kind = str(item.get("kind"))
    return _LISTS.get(kind) or " ".join(filter(None, (kind, name_of(item))))


def items(value: Any) -> list[Object]:
    """Return the maps of a list; none of a value of another shape."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: Any) -> dict[str, str]:
    """Return the texts of a map: the data of a ConfigMap, annotations."""
    return {str(key): text for key, text in as_map(value).items() if isinstance(text, str)}


def moment(value: Any) -> datetime | None:
    """Return a time as Kubernetes and IMS write it; IMS leaves out the zone, and runs in UTC."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and not found.tzinfo else found
