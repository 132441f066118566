"""What the service's job template becomes with the texts of a job in it.

The service substitutes without quoting, so a text may be read as something else, may break the template, and may add to
it. The shape below has the lines that texts go into, and those beside them, indented as in the chart.
Sources: kubernetes/cray-ims/templates/cray-ims-v2-image-*-job-template.yaml and create_kubernetes_resources in
src/server/v3/resources/jobs.py of Cray-HPE/ims; create_from_yaml of the Kubernetes client for Python.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping, Set
from functools import cache, lru_cache
from string import Template

import yaml

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex

_CONFIG_MAP = """\
metadata:
  name: config
  namespace: $namespace
data:
  public_key:
    $public_key
"""
_SERVICE = """\
metadata:
  name: service
  namespace: $namespace
  annotations:
    external-dns.alpha.kubernetes.io/hostname: $hostname
    metallb.universe.tf/address-pool: $address_pool
spec:
  type: LoadBalancer
"""
_JOB_HEAD = """\
metadata:
  name: job
  namespace: $namespace
spec:
  backoffLimit: 0
  template:
    metadata:
      labels:
        app: ims
    spec:
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - podAffinityTerm:
              labelSelector:
                namespaces:
                  - $namespace
      runtimeClassName: $runtime_class
      serviceAccountName: $service_account
      restartPolicy: Never  # IMS's Jobs are tried once
      initContainers:
"""
_NAMES = """\
        - name: KERNEL_FILENAME
          value: $kernel_filename
        - name: INITRD_FILENAME
          value: $initrd_filename
        - name: KERNEL_PARAMETERS_FILENAME
          value: $kernel_parameters_filename
        - name: LOG_LEVEL
          value: "INFO"
        volumeMounts:
        - mountPath: '/etc/admin-client-auth'
"""
_CREATE = (
    """\
      - name: fetch-recipe
        env:
        - name: DOWNLOAD_MD5SUM
          value: "$download_md5sum"
      - name: build-image
        securityContext:
          privileged: true
        env:
        - name: REMOTE_BUILD_NODE
          value: '$remote_build_node'
        - name: IMAGE_ROOT_ARCHIVE_NAME
          value: "$image_root_archive_name"
"""
    + _NAMES
)
_CUSTOMIZE = (
    """\
      - name: prepare
        securityContext:
          privileged: $prepare_privilege
        env:
        - name: DOWNLOAD_MD5SUM
          value: "$download_md5sum"
        - name: REMOTE_BUILD_NODE
          value: '$remote_build_node'
        - name: REMOTE_HEARTBEAT_TIMEOUT_COUNT
          value: '$remote_heartbeat_timeout_count'
"""
    + _NAMES
)
_CONTAINERS = (
    """\
      containers:
      - name: buildenv-sidecar
        env:
        - name: S3_BUCKET
          value: "$s3_bucket"
        - name: IMAGE_ROOT_ARCHIVE_NAME
          value: $image_root_archive_name
"""
    + _NAMES
    + """\
      - name: sshd
        securityContext:
          privileged: $security_privilege
      volumes: []
"""
)
_JOBS = {"create": _JOB_HEAD + _CREATE + _CONTAINERS, "customize": _JOB_HEAD + _CUSTOMIZE + _CONTAINERS}

_PLAIN = lazy_regex(r"[A-Za-z][A-Za-z0-9_./@+=-]*(?: [A-Za-z0-9_./@+=-]+)*|")
_OWN = frozenset(("security_privilege", "prepare_privilege"))
"""Texts of the service itself, which are meant to be booleans."""
_ASKED = _OWN | {"runtime_class", "service_account"}
_QUOTED = frozenset(("download_md5sum", "remote_build_node", "remote_heartbeat_timeout_count", "s3_bucket"))
_PLAIN_IN_QUOTES = lazy_regex(r"[A-Za-z0-9_./@:#+=-]*")
_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "y", "n", "null"))


_Texts = tuple[tuple[str, str], ...]


class BrokenTemplateError(ValueError):
    """A template that is no YAML, or no object, with the texts in it: the service answers 500."""


@dataclass(frozen=True, slots=True)
class JobObject:
    """What of the Job object that the service sends decides where it runs; the class may be of any JSON type."""

    runtime_class: object
    service_account: object
    privileged: tuple[str, ...]


def job_object(job_type: str, texts: Mapping[str, str]) -> JobObject:
    """Return the Job with these texts in its template.

    :param texts: for every placeholder of the shape; quoted ones included
    :raises BrokenTemplateError: the ConfigMap, the Service or the Job cannot be made
    """
    unplain = {name for name, text in texts.items() if not _is_plain(name, text)}
    for shape in (_CONFIG_MAP, _SERVICE):
        if not unplain.isdisjoint(_placeholders(shape)):
            _object(shape, _used(shape, texts, unplain))
    shape = _JOBS[job_type]
    if unplain.isdisjoint(_placeholders(shape)):
        return _plain_job(job_type, texts)
    return _parsed_job(shape, _used(shape, texts, unplain | _ASKED))


@cache
def _placeholders(shape: str) -> frozenset[str]:
    return frozenset(Template(shape).get_identifiers())


def _used(shape: str, texts: Mapping[str, str], asked: Set[str]) -> _Texts:
    """The texts for a shape; plain ones that nobody asks for are all the same, so that fewer are parsed."""
    return tuple((name, texts[name] if name in asked else "x") for name in sorted(_placeholders(shape)))


def _is_plain(name: str, text: str) -> bool:
    """Whether YAML reads a text as itself; an empty namespace is none, and an empty value null."""
    if name in _OWN:
        return True
    if name in _QUOTED:
        return _PLAIN_IN_QUOTES.fullmatch(text) is not None
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS and bool(text or name != "namespace")


def _plain_job(job_type: str, texts: Mapping[str, str]) -> JobObject:
    first = ("build-image",) if job_type == "create" else ("prepare",) if texts["prepare_privilege"] == "true" else ()
    last = ("sshd",) if texts["security_privilege"] == "true" else ()
    return JobObject(texts["runtime_class"] or None, texts["service_account"] or None, first + last)


@lru_cache(maxsize=4096)
def _parsed_job(shape: str, texts: _Texts) -> JobObject:
    spec = _object(shape, texts).get("spec")
    pod = spec.get("template") if isinstance(spec, dict) else None
    pod = pod.get("spec") if isinstance(pod, dict) else None
    if not isinstance(pod, dict):
        raise BrokenTemplateError("the texts replace parts of the job template")
    account, runtime_class = _sent(pod.get("serviceAccountName")), _sent(pod.get("runtimeClassName"))
    if isinstance(runtime_class, float) and not math.isfinite(runtime_class):
        runtime_class = str(runtime_class)  # JSON has no such number
    return JobObject(runtime_class, account, tuple(_privileged(pod)))


@lru_cache(maxsize=4096)
def _object(shape: str, texts: _Texts) -> dict[object, object]:
    try:
        # The pure Python loader, as the service has it: libyaml differs in corners.
        value = yaml.load(Template(shape).substitute(dict(texts)), yaml.SafeLoader)
        metadata = value["metadata"]
        has_namespace = metadata["name"] is not None and metadata["namespace"] is not None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise BrokenTemplateError("a text that goes into the job template without quotes breaks it") from error
    if not has_namespace:
        raise BrokenTemplateError("DEFAULT_IMS_JOB_NAMESPACE names no namespace")
    _sent(value)
    assert isinstance(value, dict)
    return value


def _sent(value: object) -> object:
    """The value as the Kubernetes client sends it: dates as text, and sets and bytes not at all."""
    if isinstance(value, dict):
        return {key: _sent(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_sent(item) for item in value]
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise BrokenTemplateError("a text becomes a value that JSON does not have")


def _privileged(pod: Mapping[object, object]) -> Iterator[str]:
    for group in ("initContainers", "containers"):
        containers = pod.get(group)
        for container in containers if isinstance(containers, list) else []:
            context = container.get("securityContext") if isinstance(container, dict) else None
            if isinstance(context, dict) and context.get("privileged"):
                yield str(container.get("name"))
