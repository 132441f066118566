"""IMS1: values of ims-config that the Image Management Service takes for something else than they seem."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.kubernetes_names import is_dns1123_subdomain
from kmodgate.policy.ims.setting_values import DEFAULT_CLASS, Effect
from kmodgate.policy.ims.settings import chart_values
from kmodgate.policy.ims.template_values import BROKEN, as_yaml
from kmodgate.policy.ims.versions import NEWEST, ims_release
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.ims.classes import has_handler_of_kata
from kmodgate.policy.rules.ims.readings import Judged, judged, wrong

CONFIG_MAP = ("ConfigMap",)
KATA = "JOB_KATA_RUNTIME"
AARCH64 = "JOB_AARCH64_RUNTIME"
FOREIGN_CODE = ("PYTHONPATH", "PYTHONHOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "PATH")
"""Variables by which the interpreter of the service finds its code."""
SWITCH = "JOB_ENABLE_DKMS"

_TRUE_WORDS = frozenset(("y", "yes", "on", "enable", "enabled", "true", "t", "1"))
_FALSE_WORDS = frozenset(("n", "no", "off", "disable", "disabled", "false", "f", "0"))
_CHART = chart_values(ims_release(NEWEST))


def of_ims(review: Review) -> object:
    return review.ims.is_config


def _as_in_chart(key: str) -> str:
    value = _CHART.get(key)
    return f'write what is meant; the chart has {key}: "{value}"' if value else f"correct {key}, or remove it"


@rule("IMS101", kinds=CONFIG_MAP, needs=of_ims)
def stops_the_start(review: Review) -> Iterator[Problem]:
    """A value in ims-config with which the Image Management Service does not start.

    The new pod crashes over and over, and with strategy `Recreate` the old one is gone by then: no image is built or
    customized any more.

    Fix: write a value that the service reads, or remove the key.
    Source: src/server/config.py, src/server/app.py and config/gunicorn.py of Cray-HPE/ims.
    """
    for item in judged(review):
        if item.reading.effect is Effect.STOPS_START:
            yield item.problem(_as_in_chart(item.key), Severity.WARNING if item.since else None)


@rule("IMS102", kinds=CONFIG_MAP, needs=of_ims)
def fails_jobs(review: Review) -> Iterator[Problem]:
    """A value in ims-config with which the service answers 500 where a job is asked for.

    The service starts, and nothing tells of the value before the first job. Some jobs leave a ConfigMap and a Service
    with an address behind.

    Fix: write a value that the service reads, or remove the key.
    Source: src/server/models/jobs.py and src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    for item in judged(review):
        if item.reading.effect is Effect.FAILS_JOBS:
            yield item.problem(_as_in_chart(item.key))


@rule("IMS103", kinds=CONFIG_MAP, severity=Severity.WARNING, needs=of_ims)
def switch_misread(review: Review) -> Iterator[Problem]:
    """`JOB_ENABLE_DKMS` of ims-config is false to the service, and does not read so.

    Only `true`, `1` and `t` are true, in letters of any case and without blanks: `yes`, `on`, a space behind the word
    and the line break of a block scalar (`|`) make it false. Empty and null are false, too, though an absent key is
    true from IMS 3.17 on. The jobs that the key decides about then run privileged on the worker, and not in a Kata VM.

    Fix: write `"true"` or `"false"` on one line.
    Source: src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    for item in wrong(review, SWITCH):
        word = item.text.strip().lower()
        if word in _TRUE_WORDS:
            yield item.problem(f'{SWITCH}: "true"')
        elif word in _FALSE_WORDS:
            yield item.problem(f'{SWITCH}: "false"', Severity.INFO)
        else:
            yield item.problem(f'write {SWITCH}: "true" or "false"')


@rule("IMS104", kinds=CONFIG_MAP, severity=Severity.WARNING, needs=of_ims)
def kata_class_misread(review: Review) -> Iterator[Problem]:
    """`JOB_KATA_RUNTIME` of ims-config is not the RuntimeClass that jobs with DKMS get.

    A text without `kata` in small letters is replaced by `kata-qemu`, and nothing tells of it. Any other goes into the
    job template without quotes: what stands behind ` #` is lost. With `#kata` the job has no class at all and runs
    privileged on the worker, which is an error. So is a text that is no name: every job with DKMS is answered with
    500, and leaves a ConfigMap and a Service with an address behind.

    Fix: write the name of a RuntimeClass that has `kata` in it.
    Source: src/server/v3/resources/jobs.py and the job templates of Cray-HPE/ims.
    """
    for item in wrong(review, KATA):
        if item.reading.effect is Effect.REPLACED:
            yield item.problem(f'{KATA}: "{DEFAULT_CLASS}", or a class with kata in its name')
        else:
            yield _in_template(item)


@rule("IMS105", kinds=CONFIG_MAP, needs=of_ims)
def aarch64_class_misread(review: Review) -> Iterator[Problem]:
    """`JOB_AARCH64_RUNTIME` of ims-config gives jobs of aarch64 no class of Kata, or none that exists.

    Every job of aarch64 is one with DKMS, whatever recipe, request and `JOB_ENABLE_DKMS` say. Nothing looks for `kata`
    in this name. With an empty value or null, which is not the same as an absent key, and with a class of another kind
    such jobs run privileged on the worker, and register their emulator in its kernel. A name that a comment cuts short
    is a warning.

    Fix: write the name of a RuntimeClass of Kata, or remove the key.
    Source: src/server/v3/resources/jobs.py and the job templates of Cray-HPE/ims.
    """
    for item in wrong(review, AARCH64):
        value = str(item.reading.value)
        if not value or (is_dns1123_subdomain(value) and as_yaml(value) == value):
            is_of_kata = bool(value) and has_handler_of_kata(review, value)
            severity = Severity.WARNING if is_of_kata else None
            yield item.problem(f'{AARCH64}: "{DEFAULT_CLASS}", or another class of Kata', severity)
        else:
            yield _in_template(item)


def _in_template(item: Judged) -> Problem:
    """Return the problem of a name that goes into the template without quotes, by what YAML makes of it there."""
    value, fix = str(item.reading.value), f'{item.key}: "{DEFAULT_CLASS}", or another class of Kata'
    result = as_yaml(value)
    if result is None or result == "":
        message = f"{value!r} is no class in the job template: jobs run privileged on the worker"
        return item.problem(fix, Severity.ERROR, message)
    if isinstance(result, str) and is_dns1123_subdomain(result):
        message = f"{value!r} is the class {result!r} in the job template"
        if "kata" in result:
            return item.problem(f'{item.key}: "{result}"', Severity.WARNING, message)
        return item.problem(fix, Severity.ERROR, f"{message}: jobs run privileged and in no Kata VM")
    reason = (
        "breaks the job template" if result is BROKEN else "can name no RuntimeClass, and Kubernetes refuses the Job"
    )
    message = f"{value!r} {reason}: jobs are answered with 500, and leave a ConfigMap and a Service behind"
    return item.problem(fix, Severity.ERROR, message)


@rule("IMS106", kinds=CONFIG_MAP, severity=Severity.WARNING, needs=of_ims)
def odd_size(review: Review) -> Iterator[Problem]:
    """A size in ims-config that the service reads as another number, or that is less than 1 GiB.

    Python's `int()` takes `1_0` for 10 and `007` for 7, and 0 and negative numbers pass: the claims of such jobs are
    refused, or their pods get no memory. The text of `DEFAULT_IMS_JOB_MEM_SIZE` goes into the template as it is, with
    blanks and underscores, and Kubernetes refuses the Job.

    Fix: write the number of GiB in digits.
    Source: src/server/models/jobs.py of Cray-HPE/ims.
    """
    for item in wrong(review, "DEFAULT_IMS_IMAGE_SIZE", "DEFAULT_IMS_JOB_MEM_SIZE"):
        if item.reading.effect is Effect.MISREAD:
            value = item.reading.value
            is_size = isinstance(value, int) and value > 0
            yield item.problem(f'{item.key}: "{value}"' if is_size else _as_in_chart(item.key))


@rule("IMS107", kinds=CONFIG_MAP, severity=Severity.WARNING, needs=of_ims)
def no_name(review: Review) -> Iterator[Problem]:
    """A value in ims-config that is to be a name, and is none: a namespace, a part of a host name, a bucket, a count.

    Names go into the job templates without quotes: what stands behind ` #` is lost, `5` is a number, and a text with
    `: ` in it breaks the template. Empty is not absent: the service does not take its default then.

    Fix: write the name, or remove the key.
    Source: src/server/v3/resources/jobs.py and the job templates of Cray-HPE/ims.
    """
    for item in wrong(review, *_NAMES):
        if item.reading.effect is Effect.MISREAD:
            severity = Severity.ERROR if item.key == "DEFAULT_IMS_JOB_NAMESPACE" else None
            yield item.problem(_as_in_chart(item.key), severity)


_NAMES = (
    "DEFAULT_IMS_JOB_NAMESPACE",
    "DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT",
    "JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN",
    "JOB_CUSTOMER_ACCESS_SUBNET_NAME",
    "JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL",
    "S3_IMS_BUCKET",
    "S3_BOOT_IMAGES_BUCKET",
)


@rule("IMS108", kinds=CONFIG_MAP, severity=Severity.WARNING, needs=of_ims)
def dangerous_variable(review: Review) -> Iterator[Problem]:
    """A key in ims-config that changes how the service runs, and that the chart leaves alone for a reason.

    Every key is an environment variable of the service. `WEB_CONCURRENCY` and `--workers` in `GUNICORN_CMD_ARGS` start
    several workers of gunicorn, which overwrite each other's records in the JSON files. `FLASK_ENV` switches to
    debugging, and `IMS_JOB_TEMPLATE_PATH` leads away from the mounted templates. `PYTHONPATH`, `PYTHONHOME`,
    `LD_PRELOAD`, `LD_LIBRARY_PATH` and `PATH` make the service run other code than that of its image.

    Fix: remove the key.
    Source: config/gunicorn.py, src/server/config.py and src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    for item in judged(review):
        if item.key in FOREIGN_CODE:
            yield item.problem(f"remove {item.key}", message="makes the service run other code than that of its image")
    for item in wrong(review, "WEB_CONCURRENCY", "GUNICORN_CMD_ARGS", "FLASK_ENV", "IMS_JOB_TEMPLATE_PATH"):
        if item.reading.effect is Effect.MISREAD:
            severity = Severity.ERROR if isinstance(item.reading.value, int) else None
            yield item.problem(f"remove {item.key}", severity)
