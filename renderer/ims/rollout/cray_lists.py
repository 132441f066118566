"""Lists that the command `cray` prints as JSON: jobs of IMS and sessions of CFS.

They are no Kubernetes objects and do not say what they are; their records do. Sources: V2JobRecordSchema in
src/server/models/jobs.py of Cray-HPE/ims; V2Session and V3SessionData in api/openapi.yaml of
Cray-HPE/config-framework-service.
"""

from __future__ import annotations

from typing import Any

from kmodgate.policy.findings import FieldPath, Problem
from kmodgate.policy.formats.object_files import Wrapped
from kmodgate.policy.ims.given_records import wrapped

JOBS, SESSIONS, EMPTY = "CrayImsJobs", "CrayCfsSessions", "CrayEmptyList"
"""The kinds under which lists are told apart; an empty one does not say what it is a list of."""

RECORDS = "records"
_NEEDED: dict[str, tuple[tuple[str, ...], str]] = {
    JOBS: (("id", "status", "job_type"), "cray ims jobs list"),
    SESSIONS: (("name",), "cray cfs sessions list"),
    EMPTY: ((), ""),
}


def cray_list(value: Any) -> Wrapped | Problem | None:
    """Return a list of `cray` or the values of ims-config as an object, or what is wrong; None for other values."""
    if isinstance(value, dict) and isinstance(value.get("sessions"), list):
        return _object(SESSIONS, value["sessions"], ("sessions",))
    kind = _kind(value) if isinstance(value, list) else None
    return wrapped(value) if kind is None else _object(kind, value, ())


def _object(kind: str, records: list[Any], place: FieldPath) -> Wrapped | Problem:
    keys, command = _NEEDED[kind]
    for index, record in enumerate(records):
        wrong = [key for key in keys if not isinstance(record, dict) or not isinstance(record.get(key), str)]
        if wrong:
            message = f"record {index} has no {wrong[0]}"
            return Problem((*place, index), message, f"write it again: {command} --format json")
    return Wrapped({"apiVersion": "v1", "kind": kind, RECORDS: records}, () if place else (RECORDS,))


def _kind(records: list[Any]) -> str | None:
    if not records:
        return EMPTY
    first = records[0]
    if not isinstance(first, dict):
        return None
    if "job_type" in first or "kubernetes_job" in first:
        return JOBS
    return SESSIONS if "ansible" in first or {"configuration", "target"} <= first.keys() else None
