"""What an upgrade changes: jobs, settings and sizes."""

from __future__ import annotations

import pytest

from kmodgate.policy.ims import settings
from kmodgate.policy.ims.questions import upgrade
from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.questions.upgrade import Job, Kind, Side
from kmodgate.policy.ims.versions import csm_release, ims_release

OLD, NEW = csm_release("1.5.2"), csm_release("1.6.0")


def side(release, **config):
    return Side(release, settings.chart_values(release) | config)


def kind(before, after, job_type="create", **fields):
    job = Job("job", Question(before.release, before.config, job_type, **fields))
    (change,) = upgrade.changes([job], before, after)
    return change.kind


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("job_type", ["create", "customize"])
@pytest.mark.parametrize("request_flag", [None, True, False])
@pytest.mark.parametrize("recipe", [True, False])
@pytest.mark.parametrize("switch", ["true", "false"])
def test_one_case_alone_changes_with_an_unchanged_config(arch, job_type, request_flag, recipe, switch):
    before, after = side(OLD, JOB_ENABLE_DKMS=switch), side(NEW, JOB_ENABLE_DKMS=switch)
    found = kind(
        before, after, job_type, arch=arch, request=request_flag, recipe=recipe if job_type == "create" else None
    )
    is_the_trap = (arch, job_type, request_flag, recipe, switch) == ("x86_64", "create", None, False, "true")
    assert found is (Kind.LEAVES if is_the_trap else Kind.SAME)


def test_what_differs_from_the_chart_stays_and_the_rest_is_the_new_charts():
    before = side(OLD, JOB_KATA_RUNTIME="kata-clh", DEFAULT_IMS_IMAGE_SIZE="100", EXTRA="x")
    after = upgrade.config_after(before, NEW)
    assert after == settings.chart_values(NEW) | {"JOB_KATA_RUNTIME": "kata-clh"}
    assert after["JOB_ENABLE_DKMS"] == "true"


def test_chart_default_takes_customize_jobs_into_a_vm():
    before = side(OLD)
    after = Side(NEW, upgrade.config_after(before, NEW))
    assert kind(before, after, "customize") is Kind.ENTERS
    assert list(upgrade.setting_changes(before, after)) == ["JOB_ENABLE_DKMS: false → true"]


def test_recipes_without_a_flag_have_false_after_csm_1_5():
    assert upgrade.stored_flag_after(None, csm_release("1.4.0"), NEW) is False
    assert upgrade.stored_flag_after(None, OLD, NEW) is False
    assert upgrade.stored_flag_after(True, OLD, NEW) is True
    before = side(csm_release("1.4.0"), JOB_ENABLE_DKMS="true")
    assert kind(before, side(NEW, JOB_ENABLE_DKMS="true")) is Kind.LEAVES


def test_job_that_cannot_be_made_any_more():
    assert kind(side(OLD), side(NEW, JOB_KATA_RUNTIME="kata: x"), request=True) is Kind.FAILS
    assert kind(side(OLD, S3_READ_TIMEOUT="x"), side(NEW)) is Kind.WORKS


def test_class_that_changes_is_a_change():
    assert kind(side(OLD), side(NEW, JOB_KATA_RUNTIME="kata-clh"), request=True) is Kind.CHANGES


def test_sizes_with_claims_and_limits():
    before = side(ims_release("3.10.1"))
    image, memory = upgrade.size_changes(before, side(NEW))
    assert "15 GiB → 60 GiB" in image
    assert "75 → 300 GiB" in image
    assert "5 GiB → 8 GiB" in memory
    assert "15 → 40 GiB" in memory


def test_literals_of_the_chart_that_were_edited_by_hand_are_told():
    before = side(OLD, DEFAULT_IMS_IMAGE_SIZE="100")
    (told,) = upgrade.setting_changes(
        before, Side(NEW, upgrade.config_after(before, NEW) | {"JOB_ENABLE_DKMS": "false"})
    )
    assert "DEFAULT_IMS_IMAGE_SIZE: '100' was set by hand" in told


def test_traps_of_the_releases_in_between():
    told = "\n".join(upgrade.traps(OLD, NEW))
    assert "goes by its recipe alone" in told
    assert "$security_capabilites" in told
    assert "remote build node" not in told
    assert list(upgrade.traps(NEW, NEW)) == []
