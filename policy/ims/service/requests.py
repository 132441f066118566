"""The request for a job, in the order in which the service checks it.

Sources: post() in src/server/v3/resources/jobs.py and the input schemas in src/server/models/jobs.py of Cray-HPE/ims.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.ims.service import fields
from kmodgate.policy.ims.versions import ImsRelease

JobType = Literal["create", "customize"]

_SSH_CONTAINER: dict[str, fields.Check] = {"name": fields.is_text, "jail": fields.is_boolean}
_FIELDS: dict[str, fields.Check] = {
    "job_type": fields.is_one_of("create", "customize"),
    "artifact_id": fields.is_uuid,
    "public_key_id": fields.is_uuid,
    "image_root_archive_name": fields.is_filled_text,
    "enable_debug": fields.is_boolean,
    "build_env_size": fields.is_size,
    "job_mem_size": fields.is_size,
    "kernel_file_name": fields.is_text,
    "initrd_file_name": fields.is_filled_text,
    "kernel_parameters_file_name": fields.is_filled_text,
    "ssh_containers": fields.is_list_of(_SSH_CONTAINER),
    "require_dkms": fields.is_boolean,
}
_REQUIRED = ("artifact_id", "public_key_id", "job_type", "image_root_archive_name")

ARTIFACT = "<ARTIFACT>"
KEY = "<KEY>"
_ANY_UUID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A request that the service takes so far; `require_dkms` is None where the request does not say.

    `names_record` and `names_key` are whether it names the record and the key of the inputs, and no other.
    """

    type: JobType
    require_dkms: bool | None
    names_record: bool
    names_key: bool
    body: Mapping[str, object]


def read_request(inputs: Mapping[str, object], release: ImsRelease) -> JobRequest | str:
    """Return the request for a job, or why the service refuses it.

    :param inputs: with `job`, a body as JSON has it, or `raw_body` and `content_type`
    """
    body = _body(inputs)
    if isinstance(body, _Refusal):
        return body.why
    if not body:
        return "the body is empty (400)"
    if isinstance(body, bool | int | float):
        return "the body is no object (500)"
    if not isinstance(body, dict):
        return "the body is no object (422)"
    real = {**body, **{name: _ANY_UUID for name, sign in _SIGNS.items() if body.get(name) == sign}}
    if wrong := fields.wrong_field(real, _fields(release), _REQUIRED):
        return f"the service refuses the request: {wrong} (422)"
    if refusal := _ssh_refusal(body, release):
        return refusal
    said = fields.boolean(body["require_dkms"]) if "require_dkms" in body else None
    return JobRequest(body["job_type"], said, body["artifact_id"] == ARTIFACT, body["public_key_id"] == KEY, body)


def _ssh_refusal(body: Mapping[str, object], release: ImsRelease) -> str:
    containers = body.get("ssh_containers")
    if not isinstance(containers, list) or not containers:
        return ""
    if body["job_type"] == "create":
        return "a create job takes no ssh_containers (400)"
    if len(containers) > 1:
        return "only one of ssh_containers is supported (400)"
    if not release.takes_yes_for_true and "jail" not in containers[0]:
        # The default of the field came with the same version of marshmallow.
        return "this release cannot take one of ssh_containers without jail (500)"
    return ""


def _fields(release: ImsRelease) -> dict[str, fields.Check]:
    if release.takes_yes_for_true:
        return _FIELDS
    unknown = {"require_dkms"} if release.only_ims_config_decides else set()
    unknown |= set() if release.has_volume_claims else {"job_mem_size"}
    return {name: _OLD_CHECKS.get(check, check) for name, check in _FIELDS.items() if name not in unknown}


_OLD_CHECKS: dict[fields.Check, fields.Check] = {fields.is_boolean: fields.is_boolean_without_yes}
_SIGNS = {"artifact_id": ARTIFACT, "public_key_id": KEY}


@dataclass(frozen=True, slots=True)
class _Refusal:
    why: str


def _body(inputs: Mapping[str, object]) -> object:
    if "raw_body" not in inputs:
        return inputs.get("job")
    kind = str(inputs.get("content_type") or "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        return _Refusal("the content type is not JSON (415)")
    try:
        return json.loads(str(inputs["raw_body"]))
    except (ValueError, RecursionError):
        return _Refusal("the body is no JSON (400)")
