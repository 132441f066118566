"""The recipe or image that a job works on, as the service stores it after what was sent before.

Sources: src/server/models/recipes.py and images.py, patch() in src/server/v3/resources/recipes.py and images.py, and
DataStoreHACK in src/server/__init__.py of Cray-HPE/ims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Literal

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.ims.service import fields
from kmodgate.policy.ims.versions import ImsRelease

X86 = "x86_64"
AARCH64 = "aarch64"

_ARCH = fields.is_one_of(X86, AARCH64)
_LINK = fields.is_object_with(
    {"path": fields.is_filled_text, "etag": fields.is_text, "type": fields.is_one_of("s3")}, ("path", "type")
)
_DICTIONARY = fields.is_list_of({"key": fields.is_text, "value": fields.is_text}, ("key", "value"))
_RECIPE: dict[str, fields.Check] = {
    "name": fields.is_filled_text,
    "link": lambda value: value is None or _LINK(value),
    "recipe_type": fields.is_one_of("kiwi-ng", "packer"),
    "linux_distribution": fields.is_one_of("sles12", "sles15", "centos7"),
    "template_dictionary": _DICTIONARY,
    "require_dkms": fields.is_boolean,
    "arch": _ARCH,
}
_RECIPE_REQUIRED = ("name", "recipe_type", "linux_distribution")
_RECIPE_PATCH: dict[str, fields.Check] = {
    "link": _LINK,
    "arch": _ARCH,
    "require_dkms": fields.is_boolean,
    "template_dictionary": _DICTIONARY,
}
_IMAGE: dict[str, fields.Check] = {
    "name": fields.is_filled_text,
    "link": lambda value: value is None or _LINK(value),
    "arch": _ARCH,
    "metadata": lambda value: isinstance(value, dict) and all(isinstance(text, str) for text in value.values()),
}
_IMAGE_PATCH: dict[str, fields.Check] = {
    "link": _LINK,
    "arch": _ARCH,
    "metadata": fields.is_object_with(
        {"operation": fields.is_one_of("set", "remove"), "key": fields.is_text, "value": fields.is_text},
        ("operation", "key"),
    ),
}
_STORE_FIELDS = ("id", "created", "deleted")

Kind = Literal["recipe", "image"]


class RefusedRecordError(ValueError):
    """A record that the service does not take; the text says why."""


class UnreadableStoreError(ValueError):
    """A record in the data file with which the service does not start."""


@dataclass(frozen=True, slots=True)
class Record:
    """A recipe or image in the service's memory.

    `require_dkms` is what a PATCH left there, which may be a text; images have none. `template_dictionary` is None
    where it is null, which the service cannot work with.
    """

    kind: Kind
    arch: str
    has_link: bool
    require_dkms: object = None
    recipe_type: str = "kiwi-ng"
    template_dictionary: list[dict[str, str]] | None = None


def read_record(given: Mapping[str, object], release: ImsRelease) -> Record:
    """Return the record of the inputs: `kind`, `has_link`, `posted` or `loaded_from_store`, and `then`.

    :raises RefusedRecordError: the service refuses to store it
    :raises UnreadableStoreError: the service does not start with it
    """
    kind: Kind = "image" if given.get("kind") == "image" else "recipe"
    if "loaded_from_store" in given:
        record = _loaded(given["loaded_from_store"], kind, release)
    else:
        record = _posted(given.get("posted"), kind, release)
    record = replace(record, has_link=bool(given.get("has_link")))
    then = given.get("then")
    return _after(record, then if isinstance(then, list) else [], release)


def _posted(body: object, kind: Kind, release: ImsRelease) -> Record:
    if (
        kind == "image"
        and isinstance(body, dict)
        and isinstance(body.get("metadata"), dict)
        and "key" in body["metadata"]
    ):
        pair = body["metadata"]
        body = {**body, "metadata": {pair["key"]: pair.get("value", "")} if isinstance(pair["key"], str) else None}
    if wrong := _wrong(body, kind, release):
        raise RefusedRecordError(f"the service refuses the {kind}: {wrong} (422)")
    assert isinstance(body, dict)
    return _record(body, kind, release)


def _loaded(body: object, kind: Kind, release: ImsRelease) -> Record:
    known = _RECIPE if kind == "recipe" else _of_release(_IMAGE, release)
    if isinstance(body, dict):
        # What a release does not know is dropped at the start, so that a downgrade works.
        body = {name: value for name, value in body.items() if name in known}
    if wrong := _wrong(body, kind, release):
        raise UnreadableStoreError(f"the data file holds a {kind} that the service cannot read: {wrong}")
    assert isinstance(body, dict)
    return _record(body, kind, release)


def _wrong(body: object, kind: Kind, release: ImsRelease) -> str:
    if kind == "recipe":
        return fields.wrong_field(body, _of_release(_RECIPE, release), _RECIPE_REQUIRED)
    return fields.wrong_field(body, _of_release(_IMAGE, release), ("name",))


def _of_release(known: dict[str, fields.Check], release: ImsRelease) -> dict[str, fields.Check]:
    """The fields that a release knows."""
    if release.takes_yes_for_true and release.has_image_metadata:
        return known
    old = {name: check for name, check in known.items() if name != "metadata"}
    return old | ({"require_dkms": fields.is_boolean_without_yes} if "require_dkms" in old else {})


def _record(body: Mapping[str, object], kind: Kind, release: ImsRelease) -> Record:
    arch = X86 if release.only_ims_config_decides else str(body.get("arch", X86))
    if kind == "image":
        return Record(kind, arch, has_link=False)
    flag = fields.boolean(body["require_dkms"]) if "require_dkms" in body else release.dkms_is_default
    return Record(kind, arch, False, flag, str(body["recipe_type"]), _pairs(body.get("template_dictionary", [])))


def _after(record: Record, steps: Iterable[object], release: ImsRelease) -> Record:
    """The record after PATCHes and restarts; a PATCH stores its values as they were sent."""
    on_disk = record
    for step in steps:
        if not isinstance(step, dict):
            continue
        if step.get("op") == "restart":
            record = on_disk
        elif step.get("op") == "patch":
            record, is_written = _patched(record, step.get("body"), release)
            if is_written:
                on_disk = _written(record)
    return record


def _patched(record: Record, body: object, release: ImsRelease) -> tuple[Record, bool]:
    """The record after a PATCH, and whether it is in the data file: what came before an error is in memory only."""
    known = _of_release(_RECIPE_PATCH if record.kind == "recipe" else _IMAGE_PATCH, release)
    if release.only_ims_config_decides:
        known = {name: check for name, check in known.items() if name not in ("arch", "require_dkms")}
    if not body or not isinstance(body, dict) or fields.wrong_field(body, known, ()):
        return record, False
    for name, value in body.items():
        if (name == "template_dictionary" and value is None) or (name == "link" and record.has_link):
            # A dictionary of null is a 500. The link of the record is not known here: another one is a 409.
            return record, False
        if name in _PATCHED:
            record = _PATCHED[name](record, value)
    return record, True


_PATCHED: dict[str, Callable[[Record, object], Record]] = {
    "arch": lambda record, value: replace(record, arch=str(value)),
    "require_dkms": lambda record, value: replace(record, require_dkms=value),
    "template_dictionary": lambda record, value: replace(record, template_dictionary=_pairs(value)),
    "link": lambda record, _: replace(record, has_link=True),
}


def _pairs(value: object) -> list[dict[str, str]] | None:
    if value is None:
        return None
    return [dict(pair) for pair in value] if isinstance(value, list) else []


def _written(record: Record) -> Record:
    if record.kind == "image":
        return record
    return replace(record, require_dkms=fields.reported_boolean(record.require_dkms))
