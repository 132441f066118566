"""PLG: volumes and mounts of plugins that the API server refuses with their DaemonSet."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.kubernetes_names import MAX_LABEL, is_dns1123_label, is_dns1123_subdomain, near_name
from kmodgate.policy.formats.quantities import amount
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.present import PLUGINS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.part import Part

_HOST_PATH_TYPES = (
    "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice",
)  # fmt: skip
_PROPAGATIONS = ("None", "HostToContainer", "Bidirectional")
_NEEDED = {"persistentVolumeClaim": ("claimName",), "nfs": ("server", "path"), "csi": ("driver",)}
_HIGHEST_MODE = 0o777
_OCTAL = lazy_regex("[0-7]{3}")


@rule("PLG108", needs=PLUGINS)
def volume_refused(review: Review) -> Iterator[Problem]:
    """A volume that the API server does not take. The DaemonSet is refused, and the Module shows nothing of it.

    That is a name with capitals, spaces or `_`, two kinds of volume in one, an unknown `type` of a host path, a `..` in
    a path, a mode that was meant as octal, a negative size, or a ConfigMap or Secret without a name that one can have.

    Fix: correct it as the message says.
    Source: ValidateVolumes in pkg/apis/core/validation/validation.go of Kubernetes.
    """
    for plugin in review.module.plugins:
        volumes = plugin.maps("volumes")
        taken = {volume.text("name") for volume in volumes}
        for volume in volumes:
            if (name := volume.text("name")) and not is_dns1123_label(name):
                yield _bad_name(volume, name, taken)
            elif volume.value.get("name") == "":
                yield volume.problem("name", "the volume has no name", "give it the one that volumeMounts names")
            yield from _source_problems(volume)


def _bad_name(volume: Part, name: str, taken: set[str]) -> Problem:
    better = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:MAX_LABEL].strip("-")
    fix = f"use lower-case letters, digits and '-', {MAX_LABEL} at most"
    if better and better not in taken:
        fix = f"write {better}, in volumeMounts too"
    return volume.problem("name", f"{name!r} cannot name a volume", fix)


def _source_problems(volume: Part) -> Iterator[Problem]:
    sources = [key for key, value in volume.value.items() if key != "name" and type(value) is dict]
    if len(sources) > 1:
        fix = "keep one of them here, and make the other a volume of its own"
        yield volume.problem(sources[1], f"the volume is a {sources[0]} already", fix)
        return
    for key in sources:
        source = volume.map(key)
        yield from _BY_SOURCE.get(key, _no_problems)(source)
        for field in _NEEDED.get(key, ()):
            if not source.text(field):
                yield source.problem(field, f"the {key} has no {field}", f"write its {field}")


def _no_problems(_source: Part) -> Iterator[Problem]:
    return iter(())


def _host_path_problems(source: Part) -> Iterator[Problem]:
    yield from _word_problems(source, "type", _HOST_PATH_TYPES)
    if ".." in (path := source.text("path")).split("/"):
        problem = source.problem("path", f"{path!r} has a '..'", f"write {posixpath.normpath(path)}")
        yield problem._replace(told_by="KMM105")
    elif source.value.get("path") == "":
        yield source.problem("path", "the path is empty", "write the path on the node")._replace(told_by="KMM105")


def _word_problems(part: Part, field: str, words: tuple[str, ...]) -> Iterator[Problem]:
    word = part.text(field)
    if word and word not in words:
        better = near_name(word, words)
        fix = f"write {better}" if better else f"one of: {', '.join(words)}"
        yield part.problem(field, f"{word!r} is unknown", fix)


def _size_problems(source: Part) -> Iterator[Problem]:
    size = amount(source.value.get("sizeLimit", 0))
    if size is not None and size < 0:
        yield source.problem("sizeLimit", "the size is negative", "write the size without the minus")


def _projected_problems(source: Part) -> Iterator[Problem]:
    yield from _mode_problems(source, "defaultMode")
    for item in source.maps("sources"):
        for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            if (inner := item.optional(key)) is not None:
                yield from _object_problems(inner, "name", kind)


def _object_problems(source: Part, field: str, kind: str) -> Iterator[Problem]:
    """What is wrong with a volume of a ConfigMap or Secret: its name, modes and the paths of its items."""
    if not source.text(field):
        yield source.problem(field, f"the volume names no {kind}", f"write the name of the {kind}")
    else:
        for problem in object_name_problems(source, field, kind, "use lower case letters, digits, '-' and '.'"):
            is_optional = source.value.get("optional") is True  # then its pods start with an empty folder
            yield problem._replace(severity=Severity.WARNING) if is_optional else problem
    yield from _mode_problems(source, "defaultMode")
    for item in source.maps("items"):
        yield from _mode_problems(item, "mode")
        if not item.text("key"):
            yield item.problem("key", "the item names no key", f"write the key of the {kind}")
        yield from descending(item, "path", needed=True)


def object_name_problems(part: Part, field: str, kind: str, fix: str) -> Iterator[Problem]:
    """What is wrong with a name of a ConfigMap or Secret; `fix` is for one of which no name can be made."""
    name = part.text(field)
    if not is_dns1123_subdomain(name):
        better = name.strip().lower()
        fix = f"write {better}" if is_dns1123_subdomain(better) else fix
        yield part.problem(field, f"no {kind} can be called {name!r}", fix)


def _mode_problems(part: Part, field: str) -> Iterator[Problem]:
    mode = part.value.get(field)
    if type(mode) is int and not 0 <= mode <= _HIGHEST_MODE:
        text = str(mode)
        fix = f"write {int(text, 8)}, which is {text} in octal" if _OCTAL.fullmatch(text) else "write 0 to 511"
        what = "is negative" if mode < 0 else f"is more than {_HIGHEST_MODE}, which is 777 in octal"
        yield part.problem(field, f"{mode} {what}", fix)


def descending(part: Part, field: str, *, needed: bool = False) -> Iterator[Problem]:
    """What is wrong with a path that has to stay below the volume that it is in."""
    path = part.text(field)
    if not path:
        if needed:
            yield part.problem(field, "the path is empty", "write where in the volume the file is")
    elif path.startswith("/"):
        better = path.strip("/")
        fix = f"write {better}" if better and ".." not in better.split("/") else "write it from the volume on"
        yield part.problem(field, f"{path!r} does not begin in the volume", fix)
    elif ".." in path.split("/"):
        yield part.problem(field, f"{path!r} leads out of the volume", "write it without '..'")


_BY_SOURCE: dict[str, Callable[[Part], Iterator[Problem]]] = {
    "configMap": lambda source: _object_problems(source, "name", "ConfigMap"),
    "emptyDir": _size_problems,
    "hostPath": _host_path_problems,
    "projected": _projected_problems,
    "secret": lambda source: _object_problems(source, "secretName", "Secret"),
}


@rule("PLG109", needs=PLUGINS)
def mount_refused(review: Review) -> Iterator[Problem]:
    """A volume mount that the API server does not take. The DaemonSet is refused, and the Module shows nothing of it.

    That is an empty `mountPath`, a `subPath` that leaves the volume, both `subPath` and `subPathExpr`, or an unknown
    `mountPropagation`. A `mountPath` that does not begin with `/` is taken, and stands below `/`: a warning.

    Fix: correct it as the message says.
    Source: ValidateVolumeMounts in pkg/apis/core/validation/validation.go, and makeMounts of the kubelet.
    """
    for _, mount in review.module.mounts:
        path = mount.text("mountPath")
        if mount.value.get("mountPath") == "" or path.isspace():
            yield mount.problem("mountPath", "the path is empty", "write where in the container the volume is mounted")
        elif path and not path.startswith("/"):
            problem = mount.problem("mountPath", f"{path!r} does not begin with /", f"write /{path.strip()}")
            yield problem._replace(severity=Severity.WARNING)
        yield from descending(mount, "subPath")
        if mount.text("subPath") and mount.text("subPathExpr"):
            yield mount.problem("subPathExpr", "beside a subPath, which excludes it", "keep one of the two")
        else:
            yield from descending(mount, "subPathExpr")
        yield from _word_problems(mount, "mountPropagation", _PROPAGATIONS)
