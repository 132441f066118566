"""Rules about the objects that a Module names: Secrets, ConfigMaps and ServiceAccounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmodgate.policy.cluster.facts import UNKNOWN, as_map, metadata_of
from kmodgate.policy.cluster.referenced_objects import DATA
from kmodgate.policy.findings import GIVE_FACTS, NOT_CHECKED, Problem, Severity, plain_text, title
from kmodgate.policy.formats.kubernetes_names import is_dns1123_subdomain
from kmodgate.policy.kmm.kinds import CLUSTER_MODULE
from kmodgate.policy.present import BUILDS, SIGNS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_MOUNTED = ("build secret", "signing key", "certificate")
_DOCKER = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")


@rule("REF101", kinds=CLUSTER_MODULE, facts=True)
def missing_reference(review: Review) -> Iterator[Problem]:
    """A Secret, ConfigMap or ServiceAccount that the Module names does not exist.

    Builds, signing and pods wait for it, and the Module's status says nothing. It is a warning for a Module that the
    cluster does not have yet, since both may arrive together, and for a Secret that an ExternalSecret or a SealedSecret
    is to make.

    Fix: create it, or correct the name.
    Source: internal/buildsign and internal/pod of Kernel Module Management.
    """
    answers, namespace = review.referred.found, review.module.metadata.text("namespace")
    makers: dict[str, str] | None = None
    for part, key, kind, name, _ in review.references:
        if not is_dns1123_subdomain(name):
            continue  # REF106 tells that there can be none
        if answers[kind, name] is UNKNOWN:
            yield part.problem(key, f"{NOT_CHECKED}: which {kind}s exist", GIVE_FACTS)
        elif answers[kind, name] is None:
            if kind == "Secret" and makers is None:
                makers = _makers(review, namespace)
            maker = makers.get(name, "") if makers and kind == "Secret" else ""
            yield _missing(review, part.problem(key, f"there is no {kind} {namespace}/{name}", _CREATE), maker)


_CREATE = "create it, or correct the name"


def _missing(review: Review, problem: Problem, maker: str) -> Problem:
    """The problem of an object that is not there: a warning where it may be on its way."""
    if maker:
        message, fix = f"{problem.message}; {maker} is to make it", f"see why {maker} has not made it"
        return problem._replace(message=message, fix=fix, severity=Severity.WARNING)
    if review.is_new:
        fix = "create it before the Module arrives, or correct the name"
        return problem._replace(fix=fix, severity=Severity.WARNING)
    return problem


def _makers(review: Review, namespace: str) -> dict[str, str]:
    """Kind and name of what is to make Secrets of a namespace, as far as it is known, by the names of the Secrets."""
    found: dict[str, str] = {}
    for kind, inner in (("ExternalSecret", "target"), ("SealedSecret", "template")):
        for item in review.known.listing(kind, namespace).objects:
            own = str(metadata_of(item).get("name"))
            given = as_map(as_map(item.get("spec")).get(inner))
            found.setdefault(plain_text(metadata_of(given).get("name") or given.get("name") or own), f"{kind} {own}")
    return found


@rule("REF106")
def name_that_nothing_has(review: Review) -> Iterator[Problem]:
    """A Secret, ConfigMap or ServiceAccount is named as the API server lets none be: with capitals, spaces, a slash.

    KMM takes it. Builds, signing and pods then wait for an object that cannot be made. Of the Secrets of builds and
    signing SGN107 tells.

    Fix: write the name of the object alone, without its namespace.
    Source: validation of names in Kubernetes; api/v1beta1/module_types.go of Kernel Module Management.
    """
    own = review.module.metadata.text("name")
    for part, key, kind, name, role in review.references:
        if role in _MOUNTED or is_dns1123_subdomain(name):
            continue
        is_named_alike = name.startswith(own) and not is_dns1123_subdomain(own)  # SCH107 tells of the Module's name
        if not is_named_alike:
            bare = name.rpartition("/")[2].strip().lower()
            fix = f"write {bare}" if is_dns1123_subdomain(bare) else "use lower case letters, digits, '-' and '.'"
            yield part.problem(key, f"no {kind} can be called {name!r}", fix)


@rule("REF102", kinds=CLUSTER_MODULE, facts=True, needs=BUILDS)
def dockerfile_under_another_key(review: Review) -> Iterator[Problem]:
    """The ConfigMap of a build has no key `dockerfile`. `Dockerfile`, with a capital, is the usual slip.

    `check` says nothing of it where it judges the ConfigMap, too: GIT203 is the finding there.

    Fix: put the text under the key `dockerfile`.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    for build in review.module.builds:
        part = build.map("dockerfileConfigMap")
        if found := review.referred.odd_dockerfiles.get(part.text("name")):
            keys = ", ".join(sorted(_data(found))) or "none"
            message = f"ConfigMap {part.text('name')} has no key dockerfile; its keys: {keys}"
            problem = part.problem("name", message, "put the text under the key dockerfile")
            yield problem._replace(told_by=f"GIT203 {title(found)}")


@rule("SGN301", kinds=CLUSTER_MODULE, facts=True, needs=SIGNS)
def secret_without_its_key(review: Review) -> Iterator[Problem]:
    """A signing Secret without the key that KMM reads: `key` for the private key, `cert` for the certificate.

    Fix: create it with `kubectl create secret generic NAME --from-file=key=…`, or `--from-file=cert=…`.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    keys, certificates = review.referred.odd_keys, review.referred.odd_certificates
    for field, key, odd in (("keySecret", "key", keys), ("certSecret", "cert", certificates)):
        for sign in review.module.signs:
            part = sign.map(field)
            if part.text("name") in odd:
                message = f"Secret {part.text('name')} has no key {key}"
                yield part.problem("name", message, f"store it under the key {key}")


@rule("REF103", kinds=CLUSTER_MODULE, facts=True)
def pull_secret_of_another_type(review: Review) -> Iterator[Problem]:
    """The pull secret is not of type kubernetes.io/dockerconfigjson: every pod that mounts it waits for ever.

    Fix: create it with `kubectl create secret docker-registry`.
    Source: internal/pod of Kernel Module Management; core/v1 SecretType of Kubernetes.
    """
    part = review.module.spec.optional("imageRepoSecret")
    if part is None:
        return
    found = review.known.find("Secret", review.module.metadata.text("namespace"), part.text("name"))
    if isinstance(found, Mapping) and found.get("type", "Opaque") not in _DOCKER:
        message = f"Secret {part.text('name')} is of type {found.get('type', 'Opaque')}"
        yield part.problem("name", message, "create it with kubectl create secret docker-registry")


def _data(item: Mapping[str, Any]) -> set[str]:
    return {str(key) for field in DATA for key in as_map(item.get(field))}
