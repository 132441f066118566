"""Readers of the keys of ims-config: what the service makes of a text, and what comes of it.

Sources: as policy/ims/settings.py, which says which reader reads which key.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.kubernetes_names import is_dns1123_label, is_dns1123_subdomain
from kmodgate.policy.ims.template_values import as_yaml
from kmodgate.policy.ims.versions import ImsRelease
from kmodgate.policy.lazy import lazy_regex

DEFAULT_CLASS = "kata-qemu"
TEMPLATES = "/mnt/ims/v2/job_templates"

Value = bool | int | str


class Effect(StrEnum):
    """What comes of a value, from harmless to worst."""

    SOUND = "sound"
    UNUSED = "unused"
    """The release does not read the key, or makes nothing of it."""
    UNKNOWN = "unknown"
    """No release reads the key; it is an environment variable of the service all the same."""
    MISREAD = "misread"
    """The service works with something else than a reader of the text expects, or with something dangerous."""
    REPLACED = "replaced"
    """The service works with a value of its own instead."""
    FAILS_JOBS = "fails jobs"
    """The service answers 500 to jobs that need the value."""
    STOPS_START = "stops the start"
    """The service does not start."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the service makes of one key.

    `text` is None where the key is absent; `value` is what the service works with, and None where it cannot; `why` says
    in words what is wrong, and is empty where the effect is `sound`.
    """

    key: str
    text: str | None
    value: Value | None
    effect: Effect = Effect.SOUND
    why: str = ""


Reader = Callable[[str, str | None, ImsRelease], Reading]


def switch(key: str, text: str | None, release: ImsRelease) -> Reading:
    if not release.ims_config_counts:
        return Reading(key, text, False, Effect.UNUSED, f"{release} reads the key and does not use it")
    if text is None:
        return Reading(key, text, release.dkms_is_default)
    value = text.lower() in ("true", "1", "t")
    if value or text.lower() in ("false", "0", "f"):
        return Reading(key, text, value)
    why = "empty is false, and not the default" if not text else "only `true`, `1` and `t` are true, without blanks"
    return Reading(key, text, value, Effect.MISREAD, f"{text!r} is false to the service: {why}")


def kata_class(key: str, text: str | None, _: ImsRelease) -> Reading:
    value = DEFAULT_CLASS if text is None else text.strip()
    if "kata" not in value:
        why = f"{text!r} has no `kata` in it (lower case): the service takes {DEFAULT_CLASS} instead"
        return Reading(key, text, DEFAULT_CLASS, Effect.REPLACED, why)
    return _class(key, text, value)


def aarch64_class(key: str, text: str | None, release: ImsRelease) -> Reading:
    if release.only_ims_config_decides:
        return Reading(key, text, None, Effect.UNUSED, f"{release} knows no architectures")
    value = release.default_aarch64_class if text is None else text.strip()
    if not value:
        why = "empty is not absent: aarch64 jobs get no runtime class and run privileged on the worker"
        return Reading(key, text, value, Effect.MISREAD, why)
    if "kata" not in value.lower():
        why = f"the service takes {value!r} as it is: aarch64 jobs run privileged and in no Kata VM"
        return Reading(key, text, value, Effect.MISREAD, why)
    return _class(key, text, value)


def _class(key: str, text: str | None, value: str) -> Reading:
    if is_dns1123_subdomain(value):
        return Reading(key, text, value)
    why = f"{value!r} can name no RuntimeClass, and goes into the job template without quotes"
    return Reading(key, text, value, Effect.MISREAD, why)


def image_size(key: str, text: str | None, release: ImsRelease) -> Reading:
    default = release.image_size_without_ims_config
    return _size(key, text, default, is_read=release.image_size_comes_from_ims_config, release=release)


def memory_size(key: str, text: str | None, release: ImsRelease) -> Reading:
    default = release.memory_size_without_ims_config
    return _size(key, text, default, is_read=release.memory_size_comes_from_ims_config, release=release)


def _size(key: str, text: str | None, default: int, *, is_read: bool, release: ImsRelease) -> Reading:
    if not is_read:
        return Reading(key, text, default, Effect.UNUSED, f"{release} works with {default} GiB whatever the key says")
    if text is None:
        return Reading(key, text, default)
    value = _integer(text)
    if value is None:
        why = f"{text!r} is no integer: every job that does not state the size itself is answered with 500"
        return Reading(key, text, None, Effect.FAILS_JOBS, why)
    if value < 1:
        return Reading(key, text, value, Effect.MISREAD, f"{text!r} gives jobs {value} GiB")
    if text != str(value):
        is_raw = key == "DEFAULT_IMS_JOB_MEM_SIZE"
        what = "goes into the job template as it is, before `Gi`" if is_raw else f"is read as {value} GiB"
        return Reading(key, text, value, Effect.MISREAD, f"{text!r} {what}")
    return Reading(key, text, value)


def start_integer(default: int, least: int | None) -> Reader:
    def reader(key: str, text: str | None, _: ImsRelease) -> Reading:
        value = default if text is None else _integer(text)
        if value is None:
            return Reading(key, text, None, Effect.STOPS_START, f"{text!r} is no integer: the service does not start")
        if least is not None and value < least:
            why = f"{text!r} is less than {least}: the service does not start"
            return Reading(key, text, None, Effect.STOPS_START, why)
        return Reading(key, text, value)

    return reader


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def heartbeats(key: str, text: str | None, release: ImsRelease) -> Reading:
    if not release.has_remote_heartbeat:
        return Reading(key, text, None, Effect.UNUSED, f"{release} does not know the key")
    value = "12" if text is None else text
    if "'" in value:
        why = f"{text!r} breaks the quotes of the template: every customize job is answered with 500"
        return Reading(key, text, value, Effect.FAILS_JOBS, why)
    if not value.isdecimal() or int(value) == 0:
        return Reading(key, text, value, Effect.MISREAD, f"{text!r} is no count of heartbeats; nothing checks it")
    return Reading(key, text, value)


def namespace(key: str, text: str | None, _: ImsRelease) -> Reading:
    value = "ims" if text is None else text
    if is_dns1123_label(value) and as_yaml(value) == value:
        return Reading(key, text, value)
    if as_yaml(value) is None:
        return Reading(key, text, None, Effect.FAILS_JOBS, f"{text!r} is no namespace: every job is answered with 500")
    return Reading(key, text, value, Effect.MISREAD, f"{text!r} can name no namespace")


def network_name(default: str) -> Reader:
    def reader(key: str, text: str | None, _: ImsRelease) -> Reading:
        value = default if text is None else text
        if is_dns1123_subdomain(value) and as_yaml(value) == value:
            return Reading(key, text, value)
        why = f"{text!r} is no DNS name, and goes into the job's Service without quotes"
        return Reading(key, text, value, Effect.MISREAD, why)

    return reader


def plain_text(default: str) -> Reader:
    def reader(key: str, text: str | None, _: ImsRelease) -> Reading:
        if text is not None and not text.strip():
            return Reading(key, text, text, Effect.MISREAD, f"empty is not absent: the service does not take {default}")
        return Reading(key, text, default if text is None else text)

    return reader


def unused(key: str, text: str | None, _: ImsRelease) -> Reading:
    return Reading(key, text, text, Effect.UNUSED, "the service makes nothing of this key")


def environment(key: str, text: str | None, _: ImsRelease) -> Reading:
    """Read FLASK_ENV, which chooses a class of settings by its exact name."""
    value = "production" if text is None else text
    if value not in ("production", *DEBUGGING):
        why = f"{text!r} is no environment of the service (`production`, …): a KeyError at the start"
        return Reading(key, text, None, Effect.STOPS_START, why)
    if value != "production":
        return Reading(key, text, value, Effect.MISREAD, f"{text!r} switches the service to debugging")
    return Reading(key, text, value)


def log_level(key: str, text: str | None, release: ImsRelease) -> Reading:
    """Read LOG_LEVEL, which the service hands to loggers of boto3 that take exact names only."""
    if text is None:
        return Reading(key, text, "INFO")
    if not release.log_level_comes_from_ims_config:
        return Reading(key, text, "INFO", Effect.UNUSED, f"{release} uses the key for gunicorn's own log only")
    if text not in _LOG_LEVELS:
        why = f"{text!r} is no level ({', '.join(_LOG_LEVELS)}): the service does not start"
        return Reading(key, text, None, Effect.STOPS_START, why)
    return Reading(key, text, text)


def worker_count(key: str, text: str | None, _: ImsRelease) -> Reading:
    """Read WEB_CONCURRENCY, gunicorn's own default for the number of workers."""
    value = 1 if text is None else _integer(text)
    if value is None or value < 0:
        return Reading(key, text, None, Effect.STOPS_START, f"{text!r} is no count of workers: gunicorn does not start")
    if value != 1:
        why = f"{text!r} starts {value} workers: more or fewer than one lose records of the service's JSON files"
        return Reading(key, text, value, Effect.MISREAD, why)
    return Reading(key, text, value)


def gunicorn_arguments(key: str, text: str | None, release: ImsRelease) -> Reading:
    """Read GUNICORN_CMD_ARGS, arguments of gunicorn that override the settings file of the service."""
    try:
        words = shlex.split(text or "")
    except ValueError:
        return Reading(key, text, None, Effect.STOPS_START, f"{text!r} has an open quote: gunicorn does not start")
    if not words:
        return Reading(key, text, text)
    counts = [found[1] for found in _WORKERS.finditer(" ".join(words))]
    if not counts:
        why = f"{text!r} overrides the settings of gunicorn that the service comes with"
        return Reading(key, text, text, Effect.MISREAD, why)
    count = worker_count(key, counts[-1], release)
    return replace(count, text=text, why=f"--workers: {count.why}" if count.why else "")


_WORKERS = lazy_regex(r"(?:^|\s)(?:--workers(?:\s+|=)|-w\s*)(\S+)")


def template_folder(key: str, text: str | None, _: ImsRelease) -> Reading:
    """Read IMS_JOB_TEMPLATE_PATH, the folder that the template ConfigMaps are mounted in."""
    if text is None or text.rstrip("/") == TEMPLATES:
        return Reading(key, text, TEMPLATES)
    why = f"job templates are mounted below {TEMPLATES}, and not at {text!r}"
    return Reading(key, text, text, Effect.MISREAD, why)


DEBUGGING = ("staging", "testing", "development")
"""The values of FLASK_ENV that switch the service to debugging."""

_LOG_LEVELS = ("CRITICAL", "FATAL", "ERROR", "WARN", "WARNING", "INFO", "DEBUG", "NOTSET")
