"""Where a job of the Image Management Service (IMS) runs: in a Kata VM, on a remote node, or on the worker itself.

The whole way of a request through the service, by release: whether the service starts, whether it takes the request,
who decides about DKMS, and what the Job that it sends to Kubernetes says. Kubernetes is taken to accept that Job.
Sources: post() in src/server/v3/resources/jobs.py of Cray-HPE/ims at its tags; v2 and the root path do the same.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Literal

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.ims import settings
from kmodgate.policy.ims.service import artifacts, fields
from kmodgate.policy.ims.service.dkms_choice import DkmsChoice, choose_dkms
from kmodgate.policy.ims.service.job_template import BrokenTemplateError, JobObject, job_object
from kmodgate.policy.ims.service.records import AARCH64, Record, RefusedRecordError, UnreadableStoreError, read_record
from kmodgate.policy.ims.service.remote_nodes import UnusableNodeError, choose_node
from kmodgate.policy.ims.service.requests import JobRequest, read_request
from kmodgate.policy.ims.setting_values import TEMPLATES
from kmodgate.policy.ims.versions import ImsRelease

Risk = Literal["remote", "vm", "worker-privileged", "worker-unprivileged"]

SERVICE_ACCOUNT = "ims-service-job-mount"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the service does with one request; the names are those of the lines of `kmodgate ims decide --jsonl`.

    All but `starts` and `because` are None where the service does not start, all but `starts`, `accepted` and `because`
    where it sends no Job. `runtimeClassName` is of any JSON type: the text of ims-config is read as YAML.
    """

    starts: bool
    accepted: bool | None = None
    effective_require_dkms: bool | None = None
    enable_dkms: str | None = None
    runtimeClassName: object = None
    serviceAccountName: object = None
    is_remote: bool | None = None
    privileged_containers: tuple[str, ...] | None = None
    privileged_without_vm: bool | None = None
    risk: Risk | None = None
    because: str = ""
    choice: DkmsChoice | None = None
    node: str = ""
    is_failure: bool = False
    """Whether the service fails at a request that it has taken (500), which is then refused for no fault of its own."""

    def as_line(self) -> dict[str, object]:
        """The keys that a line of `--jsonl` has, beside its id."""
        names = (field.name for field in dataclasses.fields(self) if field.name not in _NOT_IN_LINES)
        line = {name: getattr(self, name) for name in names}
        if self.privileged_containers is not None:
            line["privileged_containers"] = list(self.privileged_containers)
        return line


_NOT_IN_LINES = ("choice", "node", "is_failure")


def decide(inputs: Mapping[str, object], release: ImsRelease) -> Decision:
    """Return what the service of a release does with the request of the inputs.

    :param inputs: `ims_config` (text by key), `record` (see `read_record`), `public_key` (None where there is none),
        `job`, or `raw_body` with `content_type` (see `read_request`), `remote_nodes` (see `choose_node`),
        `ssh_key_present`; and where not all is well `s3` (see `artifacts`) and `k8s` (`fail`: `on`, a request)
    """
    config = _texts(inputs.get("ims_config"))
    for reading in settings.start_errors(config, release):
        return Decision(starts=False, because=f"{reading.key}: {reading.why}")
    given = inputs.get("record")
    try:
        record = read_record(given, release) if isinstance(given, dict) else None
    except UnreadableStoreError as error:
        return Decision(starts=False, because=str(error))
    except RefusedRecordError as error:
        return _refused(str(error))
    request = read_request(inputs, release)
    if isinstance(request, str):
        return _refused(request)
    if why := _missing_record(request, record) or artifacts.refusal(inputs.get("s3"), request.type, config):
        return _refused(why)
    if not request.names_key or inputs.get("public_key", "") is None:
        return _refused("there is no public key with the id (400)")
    assert record is not None
    return _job(request, record, inputs, config, release)


def is_kata(runtime_class: object) -> bool:
    """Whether a class is one of Kata to IMS: by its name, and in any case; admission goes by names and handlers."""
    return isinstance(runtime_class, str) and "kata" in runtime_class.lower()


def _job(
    request: JobRequest, record: Record, inputs: Mapping[str, object], config: Mapping[str, str], release: ImsRelease
) -> Decision:
    switch = settings.read("JOB_ENABLE_DKMS", config.get("JOB_ENABLE_DKMS"), release).value
    choice = choose_dkms(
        release,
        request.type,
        record.arch,
        request=request.require_dkms,
        recipe=record.require_dkms,
        ims_config=bool(switch),
    )
    try:
        node = _remote_node(inputs, record.arch, release)
        sizes = _sizes(request, config, release)
    except UnusableNodeError as error:
        return _failed(f"{error}: every job is answered with 500")
    if sizes:
        return _failed(sizes)
    if record.kind == "recipe":
        if record.template_dictionary is None:
            return _failed("the recipe's template_dictionary is null (500)")
        if record.recipe_type == "packer":
            return _failed("the packer template has a placeholder that the service does not know, s3_host (500)")
    texts = _template_texts(request, record, inputs, config, release)
    texts |= _dkms_texts(choice, "" if node else _runtime_class(choice, record.arch, config, release))
    texts["remote_build_node"] = node
    try:
        job = job_object(request.type, texts)
    except BrokenTemplateError as error:
        return _failed(f"{error} (500)")
    failing = _failing_request(inputs)
    if failing and any(failing.endswith(resource) for resource in _BEFORE_THE_JOB):
        return _failed(f"Kubernetes fails {failing}, and no Job is made (500)")
    return _decision(choice, job, node, _accepted(inputs, config, request.type))


_BEFORE_THE_JOB = ("configmaps", "services", "jobs")


def _decision(choice: DkmsChoice, job: JobObject, node: str, accepted: bool | None) -> Decision:
    outside = bool(job.privileged) and not is_kata(job.runtime_class)
    risk: Risk
    if node:
        risk = "remote"
    elif is_kata(job.runtime_class):
        risk = "vm"
    else:
        risk = "worker-privileged" if job.privileged else "worker-unprivileged"
    return Decision(
        starts=True,
        accepted=accepted,
        effective_require_dkms=fields.reported_boolean(choice.value),
        enable_dkms="True" if choice.value else "False",
        runtimeClassName=job.runtime_class,
        serviceAccountName=job.service_account,
        is_remote=bool(node),
        privileged_containers=job.privileged,
        privileged_without_vm=outside,
        risk=risk,
        because=_because(choice, job, node),
        choice=choice,
        node=node,
    )


def _because(choice: DkmsChoice, job: JobObject, node: str) -> str:
    if node:
        return f"{choice.why}; remote node {node} takes the job, which empties the runtime class"
    if choice.value and not is_kata(job.runtime_class):
        return f"{choice.why}; the runtime class is {json.dumps(job.runtime_class)}, which is none of Kata"
    return choice.why


def _refused(why: str) -> Decision:
    return Decision(starts=True, accepted=False, because=why)


def _failed(why: str) -> Decision:
    return Decision(starts=True, accepted=False, because=why, is_failure=True)


def _missing_record(request: JobRequest, record: Record | None) -> str:
    kind = "recipe" if request.type == "create" else "image"
    if record is None or record.kind != kind or not request.names_record:
        return f"there is no {kind} with the id (400)"
    return "" if record.has_link else f"the {kind} has no link (400)"


def _remote_node(inputs: Mapping[str, object], arch: str, release: ImsRelease) -> str:
    nodes = inputs.get("remote_nodes")
    if not release.has_remote_nodes or inputs.get("ssh_key_present") is False or not isinstance(nodes, list):
        return ""
    known = [node for node in nodes if isinstance(node, dict)]
    return choose_node(known, arch, is_tolerant=release.is_tolerant_of_remote_nodes)


def _sizes(request: JobRequest, config: Mapping[str, str], release: ImsRelease) -> str:
    """Why the sizes of a job fail it: a default of ims-config that is no integer, where the request says none."""
    for field, key in (("build_env_size", "DEFAULT_IMS_IMAGE_SIZE"), ("job_mem_size", "DEFAULT_IMS_JOB_MEM_SIZE")):
        if field not in request.body and (reading := settings.read(key, config.get(key), release)).value is None:
            return f"{key}: {reading.why}"
    return ""


def _runtime_class(choice: DkmsChoice, arch: str, config: Mapping[str, str], release: ImsRelease) -> str:
    key = "JOB_AARCH64_RUNTIME" if arch == AARCH64 else "JOB_KATA_RUNTIME" if choice.value else ""
    return str(settings.read(key, config.get(key), release).value) if key else ""


def _dkms_texts(choice: DkmsChoice, runtime_class: str) -> dict[str, str]:
    return {
        "runtime_class": runtime_class,
        "service_account": SERVICE_ACCOUNT if choice.value else "",
        "security_privilege": "true" if choice.value else "false",
    }


def _template_texts(
    request: JobRequest, record: Record, inputs: Mapping[str, object], config: Mapping[str, str], release: ImsRelease
) -> dict[str, str]:
    def text(field: str, default: str) -> str:
        return str(request.body.get(field) or default)

    def value(key: str) -> str:
        default = settings.read(key, None, release).value
        return config.get(key, str(default))

    subnet, domain = value("JOB_CUSTOMER_ACCESS_SUBNET_NAME"), value("JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN")
    return {
        "namespace": value("DEFAULT_IMS_JOB_NAMESPACE"),
        "public_key": str(inputs.get("public_key", "ssh-ed25519")),
        "hostname": f"id.ims.{subnet}.{domain}",
        "address_pool": value("JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL"),
        "image_root_archive_name": text("image_root_archive_name", ""),
        "kernel_filename": text("kernel_file_name", "Image" if record.arch == AARCH64 else "vmlinuz"),
        "initrd_filename": text("initrd_file_name", "initrd"),
        "kernel_parameters_filename": text("kernel_parameters_file_name", "kernel-parameters"),
        "s3_bucket": value("S3_BOOT_IMAGES_BUCKET"),
        "download_md5sum": artifacts.checksum(inputs.get("s3")),
        "remote_heartbeat_timeout_count": value("DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT"),
        "prepare_privilege": "true" if release.prepare_is_privileged else "false",
    }


def _accepted(inputs: Mapping[str, object], config: Mapping[str, str], job_type: str) -> bool | None:
    """Whether the request is answered with 201, given that the Job can be made."""
    if config.get("IMS_JOB_TEMPLATE_PATH", TEMPLATES).rstrip("/") != TEMPLATES:
        return None
    if failing := _failing_request(inputs):
        # A Secret of signing keys that cannot be copied is only logged.
        return "secret" in failing
    return None if job_type == "customize" and artifacts.is_unknown(inputs.get("s3"), config) else True


def _failing_request(inputs: Mapping[str, object]) -> str:
    kubernetes = inputs.get("k8s")
    fail = kubernetes.get("fail") if isinstance(kubernetes, dict) else None
    return str(fail.get("on") or "") if isinstance(fail, dict) else ""


def _texts(config: object) -> dict[str, str]:
    if not isinstance(config, dict):
        return {}
    return {str(key): str(text) for key, text in config.items() if text is not None}
