"""Releases of IMS: the tables, and what changed when."""

import re

import pytest

from kmodgate.policy.ims import versions
from kmodgate.policy.ims.versions import ImsRelease, UnknownReleaseError, csm_release, ims_release
from tests import shared


@pytest.mark.shared
def test_csm_table_is_that_of_the_reference():
    text = (
        shared.need("reference/ims.md").read_text().split("**CSM → chart, by release tag**:")[1].split("1.7 unknown")[0]
    )
    expected = {}
    for first, last, ims in re.findall(r"(1\.\d\.\d)(?:.(1\.\d\.\d))? = (3[.\d]+\d)", text):
        line = first.rpartition(".")[0]
        for patch in range(int(first[-1]), int((last or first)[-1]) + 1):
            expected[f"{line}.{patch}"] = ims
    assert expected
    assert expected == versions.CSM_RELEASES


def test_every_csm_release_ships_a_known_version_of_ims():
    assert set(versions.CSM_RELEASES.values()) <= set(versions.IMS_VERSIONS)


def test_versions_are_in_order_and_unique():
    numbers = [tuple(map(int, version.split("."))) for version in versions.IMS_VERSIONS]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("csm", ["1.7.0", "1.5", "", "latest", "3.20.0", "1.6.0 "])
def test_unknown_csm_release_names_the_known_ones(csm):
    with pytest.raises(UnknownReleaseError, match=r"1\.4\.0, .*1\.5\.2, 1\.6\.0"):
        csm_release(csm)


@pytest.mark.parametrize("version", ["3.34.0", "3.9", "v3.20.0", "1.6.0", ""])
def test_unknown_version_names_the_known_ones(version):
    with pytest.raises(UnknownReleaseError, match=r"known ones: 3\.8\.0 to 3\.33\.0$"):
        ims_release(version)


@pytest.mark.parametrize(
    ("find", "text", "meant"),
    [
        (csm_release, "v1.5.2", "1.5.2"),
        (csm_release, "1.6", "1.6.0"),
        (csm_release, "1.5.9", "1.5.2"),
        (csm_release, " 1.4.1 ", "1.4.1"),
        (csm_release, "1.7.0", ""),
        (csm_release, "", ""),
        (csm_release, "3.20.0", ""),
        (ims_release, "v3.20.0", "3.20.0"),
        (ims_release, "3.9", "3.9.8"),
        (ims_release, "3.14.7", "3.14.2"),
        (ims_release, "3.99.0", ""),
    ],
)
def test_unknown_release_is_asked_back_where_one_comes_near(find, text, meant):
    with pytest.raises(UnknownReleaseError) as caught:
        find(text)
    assert str(caught.value).partition("did you mean ")[2].partition("?")[0] == meant


@pytest.mark.parametrize("make", [lambda: csm_release("1.3.5"), lambda: ims_release("3.7.2")])
def test_releases_without_dkms_are_told_apart_from_unknown_ones(make):
    with pytest.raises(UnknownReleaseError, match=r"no DKMS .*from 3\.8\.0 on"):
        make()


def test_release_names_the_csm_release_that_was_asked_for():
    assert str(csm_release("1.6.0")) == "CSM 1.6.0 (IMS 3.20.0)"
    assert str(ims_release("3.20.0")) == "IMS 3.20.0"


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("recipe_overrides_ims_config", "3.17.0"),
        ("dkms_is_default", "3.17.0"),
        ("has_remote_nodes", "3.14.0"),
        ("takes_yes_for_true", "3.16.0"),
        ("has_image_metadata", "3.16.0"),
        ("is_tolerant_of_remote_nodes", "3.17.0"),
        ("prepare_is_privileged", "3.14.0"),
        ("customize_has_xattr_annotation", "3.9.5"),
        ("has_volume_claims", "3.10.0"),
        ("cpu_limits_are_cut", "3.19.0"),
        ("has_ims_job_label", "3.20.0"),
        ("log_level_comes_from_ims_config", "3.22.0"),
        ("undelete_keeps_recipe_flag", "3.24.2"),
        ("has_signing_keys", "3.30.0"),
        ("has_remote_heartbeat", "3.32.0"),
    ],
)
def test_what_came_once_stays(name, first):
    have = [version for version in versions.known_ims_versions() if getattr(ImsRelease(version), name)]
    assert have == list(versions.IMS_VERSIONS[versions.IMS_VERSIONS.index(first) :])


def test_ims_config_did_not_count_in_some_releases():
    ignoring = [v for v in versions.known_ims_versions() if not ImsRelease(v).ims_config_counts]
    assert ignoring == [f"3.9.{patch}" for patch in range(6)]


def test_sizes_of_ims_config_were_ignored_for_a_while():
    known = versions.known_ims_versions()
    image = [v for v in known if not ImsRelease(v).image_size_comes_from_ims_config]
    memory = [
        v for v in known if ImsRelease(v).has_volume_claims and not ImsRelease(v).memory_size_comes_from_ims_config
    ]
    assert image == ["3.16.0", "3.16.1", "3.16.2", "3.17.0", "3.17.1", "3.17.2", "3.18.0"]
    assert memory == ["3.16.0", "3.16.1", "3.16.2"]


def test_placeholder_was_misspelt_up_to_3_17_1():
    assert ImsRelease("3.17.1").capabilities_placeholder == "security_capabilites"
    assert ImsRelease("3.17.2").capabilities_placeholder == "security_capabilities"
