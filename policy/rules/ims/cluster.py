"""IMS3: what ims-config asks of the cluster, and what that has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.cluster.ims_site import DEPLOYMENT
from kmodgate.policy.findings import NOT_CHECKED, FieldPath, Problem, Severity
from kmodgate.policy.ims.given_records import REMOTE_NODES
from kmodgate.policy.ims.settings import CONFIG_MAP as IMS_CONFIG
from kmodgate.policy.ims.versions import known_ims_versions
from kmodgate.policy.parameters import NO_PARAMETERS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.ims.classes import (
    has_handler_of_kata,
    labels_of,
    own_classes,
    runtime_class,
    schedulable,
    selected,
)
from kmodgate.policy.rules.ims.readings import data
from kmodgate.policy.rules.ims.setting_values import CONFIG_MAP, of_ims
from kmodgate.policy.views.part import list_in

_DEPLOYMENT = ("apps/Deployment",)
_NAMESPACE = "DEFAULT_IMS_JOB_NAMESPACE"


def _is_service(review: Review) -> object:
    return review.ims.name == DEPLOYMENT


@rule("IMS301", kinds=CONFIG_MAP, facts=True, needs=of_ims)
def class_does_not_exist(review: Review) -> Iterator[Problem]:
    """ims-config names a RuntimeClass that the cluster does not have: pods of jobs with DKMS are refused.

    The service asks nobody whether the class exists. The Job makes no pod and counts no failure, and the job stays at
    `creating` for ever. A missing class for aarch64 is a warning: sites without such images never need it.

    Fix: install Kata Containers with this RuntimeClass, or name one that exists.
    Source: plugin/pkg/admission/runtimeclass of Kubernetes; src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    for wanted, path in own_classes(review):
        if wanted.name and runtime_class(review.known, wanted.name) is None:
            message = f"there is no RuntimeClass {wanted.name}, which jobs of {wanted.arch} with DKMS get"
            severity = Severity.WARNING if wanted.arch == "aarch64" else None
            yield Problem(path, message, "install it, or name a class of Kata that exists", severity)


@rule("IMS302", kinds=CONFIG_MAP, facts=True, needs=of_ims)
def no_node_for_class(review: Review) -> Iterator[Problem]:
    """The RuntimeClass that ims-config names is for nodes that the cluster does not have, or that take no pods now.

    Its `nodeSelector` becomes that of the pods, which stay pending. In CSM the label is
    `katacontainers.io/kata-runtime=true`, on workers alone; a node that was rebuilt may lack it.

    Fix: label the workers that have Kata, or make them schedulable again.
    Source: plugin/pkg/admission/runtimeclass of Kubernetes; README.Kata.md of Cray-HPE/ims.
    """
    nodes = review.known.nodes()
    told: set[str] = set()
    for wanted, path in own_classes(review):
        item = runtime_class(review.known, wanted.name)
        if not nodes or not isinstance(item, Mapping) or wanted.name in told:
            continue
        told.add(wanted.name)
        labels = labels_of(item)
        if not (fitting := selected(item, nodes)):
            message = f"no node has {labels}, which RuntimeClass {wanted.name} wants"
            yield Problem(path, message, f"label the workers that have Kata: {labels}")
        elif not schedulable(item, fitting, review.known):
            names = ", ".join(node.name for node in fitting[:3])
            message = f"no node for RuntimeClass {wanted.name} takes pods: {names} cordoned or tainted"
            yield Problem(path, message, "make one of them schedulable", Severity.WARNING)


@rule("IMS303", kinds=CONFIG_MAP, severity=Severity.WARNING, facts=True, needs=of_ims)
def class_of_another_runtime(review: Review) -> Iterator[Problem]:
    """The RuntimeClass that ims-config names has a handler that is none of Kata.

    The service goes by the name alone. With such a handler jobs with DKMS run privileged on the worker's own kernel.

    Fix: give the class a handler of Kata, or name the handler in the policy: `parameters.kata.handlers`.
    Source: src/server/v3/resources/jobs.py of Cray-HPE/ims; tools/packaging/kata-deploy of kata-containers.
    """
    for wanted, path in own_classes(review):
        item = runtime_class(review.known, wanted.name)
        handler = item.get("handler") if isinstance(item, Mapping) else None
        if isinstance(handler, str) and not has_handler_of_kata(review, wanted.name):
            message = f"RuntimeClass {wanted.name} has the handler {handler}, which is none of Kata"
            yield Problem(path, message, "give it a handler of Kata, or name another class")


@rule("IMS306", kinds=CONFIG_MAP, severity=Severity.WARNING, needs=of_ims)
def another_job_namespace(review: Review) -> Iterator[Problem]:
    """The namespace of jobs in ims-config is not the one where the policy expects jobs of IMS.

    The webhook puts pods of IMS into Kata in the namespace `parameters.kata.imsNamespace` (`ims` by itself); elsewhere
    it knows none of them. Where no policy says anything about Kata this is only a note.

    Fix: have `DEFAULT_IMS_JOB_NAMESPACE` and `imsNamespace` of the policy agree.
    Source: src/server/v3/resources/jobs.py of Cray-HPE/ims; the DriverPolicy of the cluster.
    """
    settings, expected = data(review), review.parameters.kata.ims_namespace
    path: FieldPath = ("data", _NAMESPACE) if _NAMESPACE in settings else ("data",)
    is_default = review.ims.name == IMS_CONFIG and _NAMESPACE not in review.ims.environment
    is_unknown = review.ims.is_overridden(_NAMESPACE) or _NAMESPACE in review.ims.unresolved
    if is_unknown or not (_NAMESPACE in settings or is_default):
        return
    named = review.ims.environment.get(_NAMESPACE, "ims")
    if named != expected:
        severity = Severity.INFO if review.parameters == NO_PARAMETERS else None
        message = f"jobs are made in {named!r}, and the policy expects them in {expected!r}"
        yield Problem(
            path,
            message,
            f'parameters.kata.imsNamespace: {named} in the policy, or {_NAMESPACE}: "{expected}"',
            severity,
        )


@rule("IMS307", kinds=_DEPLOYMENT, needs=_is_service)
def more_than_one_pod(review: Review) -> Iterator[Problem]:
    """The Deployment of the Image Management Service runs more than one pod, or starts one beside the last.

    The service keeps its records in memory, and writes whole files to a shared volume without a lock: of two pods each
    loses what the other wrote.

    Fix: `replicas: 1` and `strategy: {type: Recreate}`, as the chart has it.
    Source: src/server/__init__.py and kubernetes/cray-ims/values.yaml of Cray-HPE/ims.
    """
    spec = as_map(review.object.get("spec")) if _is_service(review) else {}
    replicas = spec.get("replicas", 1)
    if isinstance(replicas, int) and replicas > 1:
        yield Problem(("spec", "replicas"), f"{replicas} pods overwrite each other's records", "replicas: 1")
    if as_map(spec.get("strategy")).get("type") == "RollingUpdate":
        path = ("spec", "strategy", "type")
        message = "a new pod starts beside the old one, and both write the same files"
        yield Problem(path, message, "type: Recreate", Severity.WARNING)


@rule("IMS308", kinds=_DEPLOYMENT, facts=True, needs=_is_service)
def source_does_not_exist(review: Review) -> Iterator[Problem]:
    """The Deployment of the Image Management Service takes its environment from a ConfigMap that does not exist.

    Without `optional: true` its container is not created.

    Fix: create the ConfigMap, or remove the source.
    Source: the field `envFrom` of a Container in the API of Kubernetes.
    """
    containers = as_map(as_map(as_map(review.object.get("spec")).get("template")).get("spec")).get("containers")
    for number, container in enumerate(containers if isinstance(containers, list) and _is_service(review) else ()):
        listed: Any = as_map(container).get("envFrom")
        for index, item in enumerate(listed if isinstance(listed, list) else ()):
            reference = as_map(as_map(item).get("configMapRef"))
            name = reference.get("name")
            if reference.get("optional") is True or not isinstance(name, str):
                continue
            if review.known.find("ConfigMap", review.ims.namespace, name) is None:
                path = ("spec", "template", "spec", "containers", number, "envFrom", index, "configMapRef", "name")
                yield Problem(path, f"there is no ConfigMap {name}", f"create {name}, or write optional: true")


@rule("IMS312", kinds=_DEPLOYMENT, severity=Severity.INFO, needs=_is_service)
def unknown_release(review: Review) -> Iterator[Problem]:
    """The Deployment of the Image Management Service is of a release that kmodgate does not know.

    Values are judged by what all known releases make of them.

    Fix: nothing, or a kmodgate that knows the release.
    Source: git tags of Cray-HPE/ims.
    """
    site, known = review.ims, known_ims_versions()
    if _is_service(review) and site.version and site.release is None:
        message = f"{NOT_CHECKED}: what IMS {site.version} does otherwise than {known[0]} to {known[-1]}"
        yield Problem(("spec", "template", "spec", "containers"), message, "look for a kmodgate that knows the release")


@rule("IMS309", kinds=(REMOTE_NODES,), severity=Severity.WARNING)
def remote_node(review: Review) -> Iterator[Problem]:
    """A remote build node takes all jobs of its architecture out of Kata.

    From IMS 3.14.0 on a job goes to a node that is registered, reachable and of its architecture, whatever recipe and
    ims-config say of DKMS: its pod has no RuntimeClass, is privileged on the worker, and the build runs privileged on
    the remote node. When the node is down the next job is a local one again.

    Fix: `cray ims remote-build-nodes delete`, if jobs are to stay in Kata.
    Source: find_remote_node_for_job in src/server/models/jobs.py of Cray-HPE/ims.
    """
    release = review.ims.release
    if release is not None and not release.has_remote_nodes:
        return
    for index, node in enumerate(list_in(review.object, "nodes")):
        record = as_map(node)
        if record.get("ableToRunJobs") is not False:
            arch = f" of {record['nodeArch']}" if isinstance(record.get("nodeArch"), str) else ""
            message = f"jobs{arch} on {record.get('xname')} run privileged, and in no VM"
            yield Problem(("nodes", index), message, "delete the node, if jobs are to stay in Kata")
