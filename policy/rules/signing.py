"""SGN: signing that signs nothing, the wrong file, or too late."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policy.engine import Review, rule
from policy.findings import FieldPath, Problem, Severity
from policy.views import Part

_COMPRESSED = (".ko.xz", ".ko.gz", ".ko.zst")


@rule("SGN101", needs="signs")
def nothing_to_start_from(review: Review) -> Iterator[Problem]:
    """`sign` without `build` and without `unsignedImage`: there is no image to sign.

    Fix: name the image in unsignedImage, or add build.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    for sign, build, image in _effective(review):
        if not build and not image:
            message = "there is no image to sign: nothing is built either"
            yield sign.problem("unsignedImage", message, "name it, or add build")


@rule("SGN102", severity=Severity.WARNING, needs="signs")
def unsigned_image_without_effect(review: Review) -> Iterator[Problem]:
    """`unsignedImage` beside `build`, which makes the image that is signed; or equal to the image that is pushed.

    Fix: remove unsignedImage, or give it a name of its own.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    common = review.module.container
    for level in review.module.levels:
        sign = level.map("sign")
        image = sign.text("unsignedImage")
        if image and (level.optional("build") or common.optional("build")):
            yield sign.problem("unsignedImage", "not used: what is built is signed", "remove it, or build")
        elif image and image == (level.text("containerImage") or common.text("containerImage")):
            fix = "give the unsigned image a name of its own"
            yield sign.problem("unsignedImage", "equal to containerImage, which is overwritten", fix)


def _effective(review: Review) -> Iterator[tuple[Part, bool, str]]:
    """Every sign block that some mapping ends up with: whether an image is built for it, and the one to start from."""
    common = review.module.container
    seen: set[tuple[FieldPath, bool, str]] = set()
    for mapping in review.module.mappings:
        own, shared = mapping.part.optional("sign"), common.optional("sign")
        sign = own or shared
        if sign is None:
            continue
        build = bool(mapping.part.optional("build") or common.optional("build"))
        image = sign.text("unsignedImage") or (shared.text("unsignedImage") if shared else "")
        if (sign.path, build, image) not in seen:
            seen.add((sign.path, build, image))
            yield sign, build, image


@rule("SGN103", needs="files_to_sign")
def path_that_leaves(review: Review) -> Iterator[Problem]:
    """`..` in a file to sign. KMM compares the beginning of the path as text, and copies only what is below dirName.

    Fix: write the path as it is below dirName.
    Source: validateSignSection in internal/webhook/module.go of Kernel Module Management.
    """
    for path, file in review.module.files_to_sign:
        if ".." in file and ".." in file.split("/"):
            yield Problem(path, f"{file!r} leads out of dirName", "write the path without ..")


@rule("SGN104", severity=Severity.WARNING, needs="files_to_sign")
def compressed_module(review: Review) -> Iterator[Problem]:
    """A compressed module is signed. The kernel checks the signature of what was compressed, and finds none.

    Fix: sign the `.ko` file, and compress after that, or not at all.
    Source: kernel/module/decompress.c and signing.c of Linux.
    """
    for path, file in review.module.files_to_sign:
        if file.endswith(_COMPRESSED):
            fix = f"sign {file.rpartition('.')[0]} instead"
            yield Problem(path, f"{file!r} is compressed, and a signature at its end is never read", fix)


@rule("SGN105", severity=Severity.WARNING, needs="signs")
def loaded_but_not_signed(review: Review) -> Iterator[Problem]:
    """A module that is loaded, and that no file to sign names or matches.

    On a node with Secure Boot it is refused with `Key was rejected by service`.

    Fix: add its file.
    Source: kernel/module/signing.c of Linux; internal/worker of Kernel Module Management.
    """
    module = review.module
    loaded = [name for _, name in module.modprobe.texts("modulesLoadingOrder")] or [module.modprobe.text("moduleName")]
    common = [file for _, file in module.container.map("sign").texts("filesToSign")]
    for sign in module.signs:
        files = [*common, *(file for _, file in sign.texts("filesToSign"))]
        for name in loaded:
            if name and files and not any(_covers(file, name) for file in files):
                fix = f"add the path of {name}.ko, or remove it from what is loaded"
                yield sign.problem("filesToSign", f"{name} is loaded and not signed", fix)


def _covers(file: str, module: str) -> bool:
    """Whether a path or shell pattern may stand for the file of a module, in which `-` equals `_`."""
    stem = file.rpartition("/")[2].partition(".ko")[0]
    if any(char in stem for char in "*?[$"):
        return True
    return re.sub("-", "_", stem) == re.sub("-", "_", module)


@rule("SGN106")
def one_secret_for_two(review: Review) -> Iterator[Problem]:
    """Key and certificate are in one Secret, or a build mounts a Secret twice.

    KMM makes a volume of each, named after the Secret; two volumes of one name are refused.

    Fix: keep key and certificate in two Secrets, and name each build Secret once.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    for sign in review.module.signs:
        key, cert = sign.map("keySecret").text("name"), sign.map("certSecret").text("name")
        if key and key == cert:
            yield sign.problem("certSecret", f"{cert!r} is the Secret of the key, too", "use a Secret of its own")
    common = [part.text("name") for part in review.module.container.map("build").maps("secrets")]
    for build in review.module.builds:
        seen = set(common) if build.path != (*review.module.container.path, "build") else set()
        for secret in build.maps("secrets"):
            if secret.text("name") in seen:
                yield secret.problem("name", f"the Secret {secret.text('name')!r} is mounted twice", "name it once")
            seen.add(secret.text("name"))
