"""IMS1: keys of ims-config, and the ConfigMap that they stand in."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.ims.given_records import SERVICES
from kmodgate.policy.ims.setting_values import Effect
from kmodgate.policy.ims.settings import CHECKSUM, KNOWN_KEYS, chart_values
from kmodgate.policy.ims.settings import CONFIG_MAP as NAME
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.ims.readings import data, judged, texts
from kmodgate.policy.rules.ims.setting_values import CONFIG_MAP, FOREIGN_CODE, SWITCH, of_ims

_NEAR = 0.8

_OF_LIBRARIES = frozenset(
    ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE",
     "SSL_CERT_DIR", "SSLKEYLOGFILE", "TZ", "LANG", "LANGUAGE", "HOME", "TMPDIR", "FLASK_DEBUG", "FLASK_APP",
     "FORWARDED_ALLOW_IPS", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER", "PYTHONHASHSEED",
     "PYTHONIOENCODING", "PYTHONMALLOC", "PYTHONTRACEMALLOC", "PYTHONUTF8", "PYTHONWARNINGS", "S3_ACCESS_KEY",
     "S3_SECRET_KEY", "S3_ENDPOINT", "S3_SSL_VALIDATE", "S3_STS_ACCESS_KEY", "S3_STS_SECRET_KEY", "S3_STS_ENDPOINT",
     "S3_STS_SSL_VALIDATE")
)  # fmt: skip
"""Variables that Python, gunicorn and the libraries of the service read, or that its Deployment sets itself."""
_FAMILIES_OF_LIBRARIES = ("AWS_", "LC_", "MALLOC_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
"""Read in small letters, too."""


@rule("IMS109", kinds=CONFIG_MAP, severity=Severity.WARNING, needs=of_ims)
def unknown_key(review: Review) -> Iterator[Problem]:
    """A key in ims-config that no release of the service reads; often one of its own, in other letters.

    The service goes on with its default for the key that was meant, and nothing tells of it. Variables that its
    libraries read, such as those of a proxy, of the time zone and of boto3, are left alone.

    Fix: correct the spelling, or remove the key.
    Source: src/server/config.py and src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    for item in judged(review):
        if item.reading.effect is not Effect.UNKNOWN or _is_of_library(item.key) or item.key in FOREIGN_CODE:
            continue
        near = difflib.get_close_matches(item.key.upper().replace("-", "_"), KNOWN_KEYS, 1, _NEAR)
        if near:
            yield item.problem(f"call it {near[0]}", message=f"no release of IMS reads this key; {near[0]} is one")
        else:
            yield item.problem("remove it, or correct the spelling")


def _is_of_library(key: str) -> bool:
    is_proxy = key.upper() in _PROXIES and key in (key.upper(), key.lower())
    return is_proxy or key in _OF_LIBRARIES or key.startswith(_FAMILIES_OF_LIBRARIES)


@rule("IMS110", kinds=CONFIG_MAP, severity=Severity.WARNING, needs=of_ims)
def key_without_effect(review: Review) -> Iterator[Problem]:
    """A key in ims-config that this release of the service does not read, or not yet.

    `LOG_LEVEL`, which gunicorn reads in every release, is only a note.

    Fix: remove the key, or have the release that reads it.
    Source: src/server/config.py and src/server/v3/resources/jobs.py of Cray-HPE/ims, by tag.
    """
    release = review.ims.release
    chart = chart_values(release) if release else {}
    for item in judged(review) if release else ():
        expected = chart.get(item.key)
        if item.key == SWITCH:
            expected = item.text if item.text.lower() in ("false", "f", "0") else expected
        elif expected is not None and item.key not in ("DEFAULT_IMS_IMAGE_SIZE", "DEFAULT_IMS_JOB_MEM_SIZE"):
            continue  # the chart writes it, and nobody reads it
        if item.reading.effect is Effect.UNUSED and item.text != expected:
            severity = Severity.INFO if item.key == "LOG_LEVEL" else None  # gunicorn's own log still has this level
            fix = "remove it" if expected is None else f"write what the chart has: {expected}"
            yield item.problem(fix, severity)


@rule("IMS111", kinds=CONFIG_MAP, needs=of_ims)
def no_text(review: Review) -> Iterator[Problem]:
    """A value in ims-config that is no text to YAML: a number, `true`, `yes`, a list.

    The API server takes text alone, and refuses the ConfigMap as a whole.

    Fix: put the value between quotes, on one line.
    Source: ConfigMap v1 of Kubernetes; src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    stated = review.object.get("data", {})
    if review.ims.is_config and not isinstance(stated, dict):
        yield Problem(("data",), "is no map of texts: the API server refuses it", 'write KEY: "text" below data')
    for key, value in data(review).items():
        path = ("data", str(key))
        if isinstance(value, bool):
            word = str(value).lower()
            yield Problem(path, f"is {word} to YAML and no text: the API server refuses it", f'{key}: "{word}"')
        elif isinstance(value, int | float):
            yield Problem(path, "is a number to YAML and no text: the API server refuses it", f'{key}: "{value}"')
        elif not isinstance(value, str):
            yield Problem(path, "is no text: the API server refuses it", "write one text between quotes")


@rule("IMS112", kinds=CONFIG_MAP, severity=Severity.WARNING, needs=of_ims)
def another_name(review: Review) -> Iterator[Problem]:
    """A ConfigMap with keys of the Image Management Service under a name or namespace that the service does not read.

    The service takes its environment from `ims-config`, and from what else `envFrom` of its Deployment names, in its
    own namespace: `services`, unless the Deployment is given in another one. What stands elsewhere has no effect.

    Fix: name it `ims-config`, or have `envFrom` of the Deployment name it; put it into the namespace of the service.
    Source: kubernetes/cray-ims of Cray-HPE/ims.
    """
    name, sources = review.ims.name, review.ims.sources
    if not review.ims.is_config:
        return
    if name in sources:
        namespace = review.ims.namespace
        if namespace != SERVICES and not review.ims.container and not _is_ours(review):
            message = f"the service reads {name} of the namespace {SERVICES}, and not of {namespace}: it has no effect"
            yield Problem(("metadata", "namespace"), message, f"namespace: {SERVICES}")
        return
    if review.ims.container:
        message = f"the Deployment reads {', '.join(sources) or 'no ConfigMap'}, and not {name!r}: it has no effect"
        yield Problem(("metadata", "name"), message, f"have envFrom of the Deployment name {name}")
    else:
        message = f"the service reads {NAME}, and not {name!r}: it has no effect"
        yield Problem(("metadata", "name"), message, f"call it {NAME}, or have envFrom of the Deployment name it")


def _is_ours(review: Review) -> bool:
    """Whether kmodgate compiled the ConfigMap of an ImageService, which states the namespace of the service."""
    metadata = metadata_of(review.object)
    is_managed = as_map(metadata.get("labels")).get("app.kubernetes.io/managed-by") == "kmodgate"
    return is_managed or CHECKSUM in as_map(metadata.get("annotations"))


@rule("IMS113", kinds=CONFIG_MAP, severity=Severity.INFO, needs=of_ims)
def blanks_around(review: Review) -> Iterator[Problem]:
    """A value in ims-config with blanks or a line break around it, which the service removes here, and not elsewhere.

    Fix: write the value on one line, without blanks.
    Source: src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    for key, text in texts(review):
        if text.strip() and text != text.strip():
            yield Problem(("data", key), f"{text!r} has blanks around it", f'{key}: "{text.strip()}"')
