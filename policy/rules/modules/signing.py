"""SGN: signing that signs nothing, the wrong file, or too late."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import Problem, Severity, quoted
from kmodgate.policy.formats.kernel_module_names import IS_MODULE_NAME
from kmodgate.policy.formats.kubernetes_names import is_dns1123_label
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.present import SECRETS, SIGNS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.modules.injection import is_shell
from kmodgate.policy.views.module import is_one_kernel
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.signing.signed_files import COMPRESSED


@rule("SGN101", needs=SIGNS)
def nothing_to_start_from(review: Review) -> Iterator[Problem]:
    """`sign` without `build` and without `unsignedImage`: there is no image to sign.

    Fix: name the image in unsignedImage, or add build.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    common = review.module.container
    if common.optional("build"):
        return
    shared = common.optional("sign")
    told: set[int] = set()
    for mapping in review.module.mappings:
        sign = mapping.part.optional("sign") or shared
        if sign is None or mapping.part.optional("build") or sign.text("unsignedImage"):
            continue
        if not (shared and shared.text("unsignedImage")) and id(sign.value) not in told:
            told.add(id(sign.value))
            message = "there is no image to sign: nothing is built either"
            yield sign.problem("unsignedImage", message, "name it, or add build")


@rule("SGN102", severity=Severity.WARNING, needs=SIGNS)
def unsigned_image_without_effect(review: Review) -> Iterator[Problem]:
    """`unsignedImage` beside `build`, which makes the image that is signed; or equal to the image that is pushed.

    Fix: remove unsignedImage, or give it a name of its own.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    common = review.module.container
    common_image = common.text("containerImage")
    pushed = {common_image, *(mapping.image for mapping in review.module.mappings)}
    for level in review.module.levels:
        sign = level.map("sign")
        image = sign.text("unsignedImage")
        if image and (level.optional("build") or common.optional("build")):
            yield sign.problem("unsignedImage", "not used: what is built is signed", "remove it, or build")
        elif image and image in (pushed if level is common else {level.text("containerImage") or common_image}):
            fix = "give the unsigned image a name of its own"
            yield sign.problem("unsignedImage", "equal to containerImage, which is overwritten", fix)


@rule("SGN103", needs=SIGNS)
def path_that_leaves(review: Review) -> Iterator[Problem]:
    """`..` in a file to sign. KMM compares the beginning of the path as text, and copies only what is below dirName.

    Fix: write the path as it is below dirName.
    Source: validateSignSection in internal/webhook/module.go of Kernel Module Management.
    """
    for path, file in review.module.files_to_sign:
        if ".." in file and ".." in file.split("/"):
            yield Problem(path, f"{file!r} leads out of dirName", "write the path without ..")


@rule("SGN104", severity=Severity.WARNING, needs=SIGNS)
def compressed_module(review: Review) -> Iterator[Problem]:
    """A compressed module is signed. The kernel checks the signature of what was compressed, and finds none.

    Fix: sign the `.ko` file, and compress after that, or not at all.
    Source: kernel/module/decompress.c and signing.c of Linux.
    """
    for path, file in review.module.files_to_sign:
        if file.endswith(COMPRESSED):
            fix = f"sign {file.rpartition('.')[0]} instead"
            yield Problem(path, f"{file!r} is compressed, and a signature at its end is never read", fix)


@rule("SGN105", severity=Severity.WARNING, needs=SIGNS)
def loaded_but_not_signed(review: Review) -> Iterator[Problem]:
    """A module that is loaded, and that no file to sign names or matches.

    On a node with Secure Boot it is refused with `Key was rejected by service`. Nothing is said while a file of the
    block is wrong by itself (INJ101, KMM502), or the name that is loaded is (LDR107, KMM403): it may be the one.

    Fix: add its file.
    Source: kernel/module/signing.c of Linux; internal/worker of Kernel Module Management.
    """
    root = f"{review.module.dir_name}/"
    for block in review.unsigned_names.blocks:
        if any(not file.startswith(root) or is_shell(file) for file in block.sign.strings("filesToSign")):
            continue
        first = block.first[0]
        names = first if block.count == 1 else f"{', '.join(block.first)} ({block.count} names)"
        message = f"{names} is loaded and not signed" if block.count == 1 else f"not signed, and loaded: {names}"
        fix = f"add the path of {first}.ko, or remove it from what is loaded"
        problem = block.sign.problem("filesToSign", message, fix)
        yield problem._replace(told_by=_cause(review.module.modprobe, first) if block.count == 1 else "")


def _cause(modprobe: Part, name: str) -> str:
    """The rule that refuses the name of a module itself; empty where none does."""
    order = modprobe.strings("modulesLoadingOrder")
    if order[:1] == [name] and name != modprobe.text("moduleName"):
        return "KMM403"
    return "" if IS_MODULE_NAME.fullmatch(name) else "LDR107"


@rule("SGN110", needs=SIGNS)
def too_many_names_and_globs(review: Review) -> Iterator[Problem]:
    """So many names to load and globs in filesToSign that it is not worked out which name is signed.

    Each name is compared with each glob, of each mapping anew. Some hundred names with some hundred globs are looked
    at; a Module with more is refused, because SGN105 would say nothing of it.

    Fix: write the paths of the files without `*`, `?` and `[`, or name fewer modules in modulesLoadingOrder.
    Source: internal/buildsign/resource of Kernel Module Management, which expands each glob by a shell.
    """
    sign = review.unsigned_names.too_many
    if sign is not None:
        message = "too many globs and names of modules to compare each with each"
        yield sign.problem("filesToSign", message, "write the paths without globs, or load fewer modules")


@rule("SGN106", needs=SECRETS)
def one_secret_for_two(review: Review) -> Iterator[Problem]:
    """Key and certificate are in one Secret, or a build mounts a Secret twice, or that of the registry once more.

    KMM makes a volume of each, named after the Secret; two volumes of one name are refused.

    Fix: keep key and certificate in two Secrets, and name each build Secret once.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    for sign in review.module.signs:
        key, cert = sign.value.get("keySecret"), sign.map("certSecret").text("name")
        if cert and key == sign.value["certSecret"]:
            yield sign.problem("certSecret", f"{cert!r} is the Secret of the key, too", "use a Secret of its own")
    common = review.module.container.value.get("build")
    registry = review.module.spec.map("imageRepoSecret").text("name")
    inherited = {secret.text("name") for secret in review.module.container.map("build").maps("secrets")}
    for build in review.module.builds:
        before = inherited if build.value is not common else ()
        own: set[str] = set()
        for secret in build.maps("secrets"):
            name = secret.text("name")
            if name and (name == registry or name in before or name in own):
                yield secret.problem("name", f"the Secret {name!r} is mounted twice", "name it once")
            own.add(name)


@rule("SGN107", needs=SECRETS)
def secret_that_names_no_volume(review: Review) -> Iterator[Problem]:
    """A Secret of a build or a signing whose name has a dot, or more than 56 characters.

    KMM names a volume after it, `secret-<name>`, and the name of a volume has neither: the pod is refused.

    Fix: give the Secret a name of at most 56 lower-case letters, digits and `-`.
    Source: internal/buildsign/resource of Kernel Module Management; core/v1 Volume of Kubernetes.
    """
    for part in review.module.secrets:
        name = part.text("name")
        if name and not is_dns1123_label(f"secret-{name}"):
            fix = "use at most 56 lower-case letters, digits and '-'"
            yield part.problem("name", f"{quoted(name)} cannot name a volume, which KMM makes of it", fix)


@rule("SGN108", needs=SECRETS)
def secret_without_a_name(review: Review) -> Iterator[Problem]:
    """A key, a certificate or a Secret of a build that is not named. KMM accepts it, and finds no such Secret.

    Fix: name the Secret, in the namespace of the Module.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    for part in review.module.secrets:
        if not part.text("name"):
            yield part.problem("name", "names no Secret", "name the Secret")


@rule("SGN109", severity=Severity.WARNING, needs=lambda review: review.module.signs)
def file_of_one_kernel(review: Review) -> Iterator[Problem]:
    """A file to sign lies in the folder of one kernel, and a mapping with a regexp matches others, too.

    For every other kernel there is no such file, and the module that is loaded is not signed.

    Fix: write `${KERNEL_FULL_VERSION}`, or `*`, for the kernel.
    Source: internal/buildsign/resource of Kernel Module Management, which signs the files that are there.
    """
    module = review.module
    many = {
        id(mapping.part.value) for mapping in module.mappings if mapping.regexp and not is_one_kernel(mapping.regexp)
    }
    for level in module.levels:
        if many if level is module.container else id(level.value) in many:
            for path, file in level.map("sign").texts("filesToSign"):
                if match := _FOLDER_OF_KERNEL.search(file):
                    message = f"{match[1]} is one kernel, and the mapping matches others, too"
                    yield Problem(path, message, f"write ${{KERNEL_FULL_VERSION}} for {match[1]}")


_FOLDER_OF_KERNEL = lazy_regex(r"/lib/modules/([0-9]+\.[0-9]+\.[0-9]+[^/$*?\[]*)/")
