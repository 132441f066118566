"""Texts in the job template: what YAML makes of them."""

import pytest

from kmodgate.policy.ims.service.job_template import BrokenTemplateError, job_object

TEXTS = {
    "namespace": "ims",
    "public_key": "ssh-rsa AAAA user@host",
    "hostname": "id.ims.cmn.shasta.local",
    "address_pool": "customer-management",
    "image_root_archive_name": "image",
    "kernel_filename": "vmlinuz",
    "initrd_filename": "initrd",
    "kernel_parameters_filename": "kernel-parameters",
    "s3_bucket": "boot-images",
    "download_md5sum": "0123",
    "remote_heartbeat_timeout_count": "12",
    "prepare_privilege": "true",
    "runtime_class": "kata-qemu",
    "service_account": "ims-service-job-mount",
    "security_privilege": "true",
    "remote_build_node": "",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("kata #x", "kata"), ("#kata", None), ("'kata'", "kata"), ("[kata]", ["kata"]), ("{kata: 1}", {"kata": 1}),
        ("&kata", None), ("kata-qemu", "kata-qemu"), ("", None), ("null", None), ("~", None), ("no", False),
        ("True", True), ("123", 123), ("0x10", 16), ("1_000", 1000), ("190:20:30", 685230), ("1.5", 1.5), ("1e3", "1e3"),
        ("''", ""), ("2001-01-01", "2001-01-01"), ("0o17", "0o17"), ("017", 15), (".inf", "inf"), ("!!str kata", "kata"),
    ],
)  # fmt: skip
def test_class(text, value):
    job = job_object("create", TEXTS | {"runtime_class": text})
    assert (job.runtime_class, type(job.runtime_class)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "kata: x",
        "*kata",
        "!kata",
        "%kata",
        "@kata",
        "- kata",
        "| kata",
        "'kata",
        "kata\nfoo: bar",
        "!!binary kata",
        "[kata",
    ],
)
def test_class_that_breaks_the_template(text):
    with pytest.raises(BrokenTemplateError):
        job_object("create", TEXTS | {"runtime_class": text})


@pytest.mark.parametrize(
    ("job_type", "name", "text"),
    [
        ("create", "image_root_archive_name", 'a"b'),
        ("customize", "remote_build_node", "x'1"),
        ("customize", "remote_heartbeat_timeout_count", "1'2"),
        ("create", "initrd_filename", "'"),
        ("customize", "kernel_filename", "a\nb"),
        ("create", "namespace", ""),
        ("create", "namespace", "~"),
        ("create", "address_pool", "a: b"),
        ("customize", "public_key", "a: b: c"),
        ("create", "public_key", "a\tb: c"),
    ],
)
def test_texts_that_fail_the_job(job_type, name, text):
    with pytest.raises(BrokenTemplateError):
        job_object(job_type, TEXTS | {name: text})


@pytest.mark.parametrize(
    ("job_type", "name", "text"),
    [
        ("customize", "image_root_archive_name", 'a"b'),
        ("create", "remote_heartbeat_timeout_count", "1'2"),
        ("create", "kernel_filename", "$x"),
        ("create", "address_pool", "5"),
        ("create", "namespace", "5"),
        ("create", "remote_build_node", "x1: y"),
        ("create", "public_key", "[a]"),
    ],
)
def test_texts_that_pass(job_type, name, text):
    first = "build-image" if job_type == "create" else "prepare"
    assert job_object(job_type, TEXTS | {name: text}).privileged == (first, "sshd")


def test_a_line_of_the_template_wins_over_one_that_a_text_adds_before_it():
    text = "kata\n      serviceAccountName: other\n      hostNetwork: true"
    assert job_object("create", TEXTS | {"runtime_class": text}).service_account == "ims-service-job-mount"
