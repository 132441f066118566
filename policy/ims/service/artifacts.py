"""The artifact of a recipe or image in S3: with which defects the service refuses a job.

Sources: get_artifact_info and get_rootfs_artifact_from_manifest in src/server/v3/resources/jobs.py, and
read_manifest_json in src/server/helper.py of Cray-HPE/ims.
"""

from __future__ import annotations

from collections.abc import Mapping

_BAD_MANIFESTS = {
    "not_json": "the image's manifest is no JSON (500)",
    "bad_version": "the image's manifest has an unknown version (400)",
    "no_version": "the image's manifest has no version (400)",
    "rootfs_no_link": "the root file system in the image's manifest has no link (400)",
    "artifact_no_type": "an artifact in the image's manifest has no type (400)",
    "no_rootfs": "the image's manifest names no root file system (400)",
    "two_rootfs": "the image's manifest names two root file systems (400)",
}
_USUAL_LIMIT = 1048576
_LARGE_MANIFEST = 16384
"""Bytes that no usual manifest has."""
_GOOD_CHECKSUM = "0123456789abcdef"


def refusal(s3: object, job_type: str, config: Mapping[str, str]) -> str:
    """Return why the service refuses a job for the state of its artifact; "" where it does not, or cannot be known.

    :param s3: None, or what is not well: `artifact_missing`, and for images `manifest` (the kind of defect),
        `manifest_len` (bytes) and `rootfs_missing`
    """
    if not isinstance(s3, dict):
        return ""
    if s3.get("artifact_missing"):
        return "the artifact is not in S3 (422)"
    if job_type == "create":
        return ""
    length = s3.get("manifest_len")
    most = _most_bytes(config)
    if most <= 0 or (isinstance(length, int) and length >= most):
        return "the image's manifest is too large (400)"
    if manifest := _BAD_MANIFESTS.get(str(s3.get("manifest"))):
        return manifest
    return "the root file system is not in S3 (422)" if s3.get("rootfs_missing") else ""


def is_unknown(s3: object, config: Mapping[str, str]) -> bool:
    """Whether nobody can know here what the service makes of an image's manifest: its defect, or its size."""
    state = s3 if isinstance(s3, dict) else {}
    is_small_limit = _most_bytes(config) < _LARGE_MANIFEST and not isinstance(state.get("manifest_len"), int)
    defect = str(state.get("manifest") or "")
    # MD5 sums that are missing or differ are only logged.
    return is_small_limit or bool(defect and defect not in _BAD_MANIFESTS and "md5" not in defect)


def _most_bytes(config: Mapping[str, str]) -> int:
    return int(config.get("MAX_IMAGE_MANIFEST_SIZE_BYTES", _USUAL_LIMIT))


def checksum(s3: object) -> str:
    """The MD5 sum of the artifact as S3 has it."""
    found = s3.get("object_md5") if isinstance(s3, dict) else None
    return found if isinstance(found, str) else _GOOD_CHECKSUM
