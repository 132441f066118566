"""Records of the service: what is stored after what was sent."""

import pytest

from kmodgate.policy.ims.service.records import RefusedRecordError, UnreadableStoreError, read_record
from kmodgate.policy.ims.versions import ims_release

NEWEST = ims_release("3.33.0")
RECIPE = {"name": "r", "recipe_type": "kiwi-ng", "linux_distribution": "sles15"}
RESTART = {"op": "restart"}


def recipe(*then, release=NEWEST, **fields):
    given = {"kind": "recipe", "has_link": True, "posted": {**RECIPE, **fields}, "then": list(then)}
    return read_record(given, release)


def patch(**body):
    return {"op": "patch", "body": body}


def test_recipe_that_says_nothing_has_the_default_of_the_release():
    assert recipe().require_dkms is True
    assert recipe(release=ims_release("3.15.0")).require_dkms is False


def test_text_of_a_patch_stays_until_the_restart():
    assert recipe(patch(require_dkms="no")).require_dkms == "no"
    assert recipe(patch(require_dkms="no"), RESTART).require_dkms is False
    assert recipe(patch(require_dkms="On"), RESTART, require_dkms=False).require_dkms is True


@pytest.mark.parametrize("value", ["tRuE", "", None, 2, 0.5, [True], {}])
def test_patch_of_no_boolean_changes_nothing(value):
    assert recipe(patch(require_dkms=value), require_dkms=False).require_dkms is False


def test_what_a_failed_patch_changed_before_is_in_memory_only():
    failing = patch(require_dkms=False, template_dictionary=None)
    assert recipe(failing).require_dkms is False
    assert recipe(failing, RESTART).require_dkms is True


@pytest.mark.parametrize("body", [{"name": "n"}, {"require_dkms": False, "x": 1}, {"arch": "arm64"}, {}, [], "x", None])
def test_refused_patches(body):
    assert recipe({"op": "patch", "body": body}) == recipe()


def test_arch_can_be_patched():
    assert recipe(patch(arch="aarch64")).arch == "aarch64"


@pytest.mark.parametrize("fields", [{"require_dkms": "oN"}, {"arch": ""}, {"arch": None}, {"zzz": 1}, {"name": ""}])
def test_refused_recipes(fields):
    with pytest.raises(RefusedRecordError, match=next(iter(fields))):
        recipe(**fields)


@pytest.mark.parametrize(
    ("posted", "what"),
    [
        (None, "the body is no object"),
        ({**RECIPE, "zzz": 1}, "zzz is unknown"),
        ({**RECIPE, "arch": "arm"}, "arch has a value"),
        ({"name": "r"}, "recipe_type is missing"),
    ],
)
def test_refusal_says_what_is_wrong(posted, what):
    with pytest.raises(RefusedRecordError, match=rf"^the service refuses the recipe: {what}.* \(422\)$"):
        read_record({"kind": "recipe", "posted": posted}, NEWEST)


def test_store_with_an_unreadable_value_stops_the_start():
    with pytest.raises(UnreadableStoreError, match="require_dkms"):
        read_record({"kind": "recipe", "loaded_from_store": {**RECIPE, "require_dkms": None}}, NEWEST)


def test_store_of_another_release_loses_what_is_unknown():
    stored = {"name": "i", "require_dkms": False, "arch": "aarch64"}
    assert read_record({"kind": "image", "has_link": True, "loaded_from_store": stored}, NEWEST).arch == "aarch64"
