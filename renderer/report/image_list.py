"""The images to mirror: as lines, for oc-mirror, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from kmodgate.policy.formats.image_mirrors import whole_name
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.images.needed_images import NeededImage
from kmodgate.renderer.images.operator_catalogs import OperatorPackage
from kmodgate.renderer.manifests.emit_yaml import emit
from kmodgate.renderer.wording import printable

Images = Sequence[NeededImage]
Packages = Sequence[OperatorPackage]


def lines(images: Images, _: Packages) -> str:
    """One reference a line, as skopeo and others take them. The operator's images are in its catalog."""
    return "".join(f"{printable(image.reference)}\n" for image in images)


def image_set(images: Images, packages: Packages) -> str:
    """An ImageSetConfiguration of oc-mirror v2, which keeps the path: a lone name of Docker Hub needs its own."""
    mirror: dict[str, Json] = {}
    if packages:
        mirror["operators"] = list(_operators(packages))
    mirror["additionalImages"] = [{"name": whole_name(image.reference) or image.reference} for image in images]
    return emit({"apiVersion": "mirror.openshift.io/v2alpha1", "kind": "ImageSetConfiguration", "mirror": mirror})


def _operators(packages: Packages) -> Iterable[Json]:
    """The packages by their catalogs; releases of one channel become its range."""
    for catalog in dict.fromkeys(package.catalog for package in packages):
        here = [package for package in packages if package.catalog == catalog]
        names: list[Json] = []
        for name in dict.fromkeys(package.name for package in here):
            mine = [package for package in here if package.name == name]
            channels = dict.fromkeys(package.channel for package in mine)
            names.append({"name": name, "channels": [_channel(channel, mine) for channel in channels]})
        yield {"catalog": catalog, "packages": names}


def _channel(channel: str, packages: Packages) -> Json:
    versions = [package.version for package in packages if package.channel == channel]
    if not all(versions):
        return {"name": channel}
    ordered = sorted(versions, key=lambda version: [int(part) for part in version.split(".")])
    return {"name": channel, "minVersion": ordered[0], "maxVersion": ordered[-1]}


def as_json(images: Images, packages: Packages) -> str:
    """Images with what names them and how each cluster pulls them, and the operators."""
    rows = [
        {"image": image.reference, "usedBy": list(image.uses), "pulledAs": dict(sorted(image.pulled_as.items()))}
        for image in images
    ]
    operators = [
        {"catalog": item.catalog, "package": item.name, "channel": item.channel, "version": item.version}
        for item in packages
    ]
    return json.dumps({"version": 1, "images": rows, "operators": operators}, indent=2, ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Callable[[Images, Packages], str]] = {"text": lines, "imageset": image_set, "json": as_json}
"""By the name that `--format` takes."""
