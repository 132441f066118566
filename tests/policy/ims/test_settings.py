"""Keys of ims-config: what the service makes of a text."""

import pytest

from kmodgate.policy.ims import settings, versions
from kmodgate.policy.ims.setting_values import Effect
from kmodgate.policy.ims.versions import ImsRelease, ims_release

NEWEST = ims_release(versions.NEWEST)
IMS_1_5 = ims_release("3.15.0")


def read(key, text, release=NEWEST):
    reading = settings.read(key, text, release)
    return reading.value, reading.effect


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "tRuE", "t", "T", "1"])
def test_dkms_is_on(text):
    assert read("JOB_ENABLE_DKMS", text) == (True, Effect.SOUND)


@pytest.mark.parametrize("text", ["false", "False", "0", "f"])
def test_dkms_is_off(text):
    assert read("JOB_ENABLE_DKMS", text) == (False, Effect.SOUND)


@pytest.mark.parametrize("text", ["yes", "on", "y", "enabled", "2", "", " true", "true ", "true\n", "01"])
def test_dkms_is_off_against_expectation(text):
    assert read("JOB_ENABLE_DKMS", text) == (False, Effect.MISREAD)


def test_absent_dkms_is_the_default_of_the_release():
    assert read("JOB_ENABLE_DKMS", None) == (True, Effect.SOUND)
    assert read("JOB_ENABLE_DKMS", None, IMS_1_5) == (False, Effect.SOUND)
    assert read("JOB_ENABLE_DKMS", "true", ims_release("3.9.5")) == (False, Effect.UNUSED)


@pytest.mark.parametrize(
    ("text", "value", "effect"),
    [
        (None, "kata-qemu", Effect.SOUND),
        ("kata-clh", "kata-clh", Effect.SOUND),
        (" kata-qemu\n", "kata-qemu", Effect.SOUND),
        ("", "kata-qemu", Effect.REPLACED),
        ("runc", "kata-qemu", Effect.REPLACED),
        ("Kata-qemu", "kata-qemu", Effect.REPLACED),
        ("#kata", "#kata", Effect.MISREAD),
        ("kata_qemu", "kata_qemu", Effect.MISREAD),
    ],
)
def test_kata_class(text, value, effect):
    assert read("JOB_KATA_RUNTIME", text) == (value, effect)


@pytest.mark.parametrize(
    ("text", "value", "effect"),
    [
        (None, "kata-qemu", Effect.SOUND),
        ("kata-arm", "kata-arm", Effect.SOUND),
        ("", "", Effect.MISREAD),
        (" \n", "", Effect.MISREAD),
        ("runc", "runc", Effect.MISREAD),
        ("Kata-qemu", "Kata-qemu", Effect.MISREAD),
    ],
)
def test_aarch64_class(text, value, effect):
    assert read("JOB_AARCH64_RUNTIME", text) == (value, effect)


def test_aarch64_class_before_3_9_3():
    assert read("JOB_AARCH64_RUNTIME", None, ims_release("3.9.2")) == ("kata-qemu-aarch64", Effect.SOUND)
    assert read("JOB_AARCH64_RUNTIME", "x", ims_release("3.8.3")) == (None, Effect.UNUSED)


@pytest.mark.parametrize(
    ("text", "value", "effect"),
    [
        (None, 60, Effect.SOUND),
        ("60", 60, Effect.SOUND),
        ("0", 0, Effect.MISREAD),
        ("-5", -5, Effect.MISREAD),
        (" 60 ", 60, Effect.MISREAD),
        ("1_0", 10, Effect.MISREAD),
        ("60Gi", None, Effect.FAILS_JOBS),
        ("", None, Effect.FAILS_JOBS),
    ],
)
def test_sizes(text, value, effect):
    assert read("DEFAULT_IMS_IMAGE_SIZE", text) == (value, effect)


def test_size_that_a_release_does_not_read():
    assert read("DEFAULT_IMS_IMAGE_SIZE", "60", ims_release("3.17.0")) == (15, Effect.UNUSED)
    assert read("DEFAULT_IMS_JOB_MEM_SIZE", "8", ims_release("3.16.0")) == (1, Effect.UNUSED)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *(
            (key, text)
            for key in ("S3_CONNECT_TIMEOUT", "S3_READ_TIMEOUT")
            for text in ("", "abc", "60s", "1.5", "0", "-1")
        ),
        *(("GUNICORN_WORKER_TIMEOUT", text) for text in ("", "abc", "-1")),
        *((key, "x") for key in ("S3_URL_EXPIRATION", "MAX_IMAGE_MANIFEST_SIZE_BYTES", "WEB_CONCURRENCY")),
        *(("FLASK_ENV", text) for text in ("", "prod", "Production", "production ")),
        *(("LOG_LEVEL", text) for text in ("", "info", "TRACE")),
    ],
)
def test_stops_the_start(key, text):
    assert read(key, text) == (None, Effect.STOPS_START)
    assert [reading.key for reading in settings.start_errors({key: text}, NEWEST)] == [key]


@pytest.mark.parametrize("text", ["60", " 60 ", "1_0", "007", "+5"])
def test_whatever_python_takes_for_an_integer_starts(text):
    assert read("S3_READ_TIMEOUT", text) == (int(text), Effect.SOUND)


def test_log_level_matters_in_production_and_from_3_22_on_only():
    assert list(settings.start_errors({"LOG_LEVEL": "x", "FLASK_ENV": "staging"}, NEWEST)) == []
    assert list(settings.start_errors({"LOG_LEVEL": "x"}, ims_release("3.21.0"))) == []


def test_an_environment_that_the_service_does_not_know_sets_no_level():
    assert settings.read("LOG_LEVEL", "INFO", NEWEST, environment="prod").effect is Effect.SOUND
    assert settings.read("LOG_LEVEL", "INFO", NEWEST, environment="staging").effect is Effect.UNUSED


def test_only_the_text_of_the_memory_size_goes_into_the_template():
    assert settings.read("DEFAULT_IMS_IMAGE_SIZE", "1_0", NEWEST).why == "'1_0' is read as 10 GiB"
    assert "goes into the job template as it is" in settings.read("DEFAULT_IMS_JOB_MEM_SIZE", "007", NEWEST).why


@pytest.mark.parametrize("text", ["", " ", "null", "~", "#x"])
def test_namespace_that_is_none_fails_jobs(text):
    assert read("DEFAULT_IMS_JOB_NAMESPACE", text) == (None, Effect.FAILS_JOBS)


@pytest.mark.parametrize(
    ("key", "text", "effect"),
    [
        ("JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL", "5", Effect.MISREAD),
        ("JOB_CUSTOMER_ACCESS_SUBNET_NAME", "x #y", Effect.MISREAD),
        ("JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN", "site.example.com", Effect.SOUND),
        ("DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT", "a'b", Effect.FAILS_JOBS),
        ("DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT", "abc", Effect.MISREAD),
        ("S3_BOOT_IMAGES_BUCKET", "", Effect.MISREAD),
        ("WEB_CONCURRENCY", "4", Effect.MISREAD),
        *(("GUNICORN_CMD_ARGS", f"{option}4", Effect.MISREAD) for option in ("-w", "-w ", "--workers ", "--workers=")),
        ("GUNICORN_CMD_ARGS", "--workers four", Effect.STOPS_START),
        ("GUNICORN_CMD_ARGS", "--log-level debug", Effect.MISREAD),
        ("GUNICORN_CMD_ARGS", "--workers 4 --workers 1", Effect.SOUND),
        ("GUNICORN_CMD_ARGS", "", Effect.SOUND),
        ("IMS_JOB_TEMPLATE_PATH", "/tmp", Effect.MISREAD),
        ("SOMETHING_ELSE", "x", Effect.UNKNOWN),
        ("CA_CERT", "x", Effect.UNUSED),
    ],
)
def test_other_keys(key, text, effect):
    assert read(key, text)[1] is effect


@pytest.mark.parametrize("version", versions.known_ims_versions())
def test_values_of_the_chart_are_sound(version):
    release = ImsRelease(version)
    config = settings.chart_values(release)
    harmless = {Effect.SOUND, Effect.UNUSED}
    unsound = {reading.key for reading in settings.readings(config, release) if reading.effect not in harmless}
    # Up to 3.9.1 the chart itself leaves the class of aarch64 jobs empty.
    assert unsound == ({"JOB_AARCH64_RUNTIME"} if version in ("3.9.0", "3.9.1") else set())


def test_keys_of_the_chart_grow_with_the_releases():
    assert "JOB_AARCH64_RUNTIME" not in settings.keys(ims_release("3.8.3"))
    assert "DEFAULT_IMS_JOB_MEM_SIZE" not in settings.keys(ims_release("3.9.8"))
    assert set(settings.keys(NEWEST)) - set(settings.keys(ims_release("3.20.0"))) == {
        "DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT"
    }
    assert set(settings.keys(NEWEST)) > settings.CHART_LITERALS
