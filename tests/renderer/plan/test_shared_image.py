"""`kmodgate plan` compares work, not names: an image that clusters make in different ways is several."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fleets import FleetFolder

BUILD = """\
build: {dockerfile: ./Dockerfile, buildArgs: {A: one}}
overrides:
- clusters: {names: [paris]}
  patch: {build: {buildArgs: {A: %s}}}
"""


def fleet(root: Path, argument: str) -> FleetFolder:
    """Three clusters that get a kernel for which an image has to be built; paris has its own build argument."""
    folder = FleetFolder(root)
    for name in ("lyon", "nice", "paris"):
        path = folder.cluster(name)
        kernels = "count: 3, kernels: [5.14.0-1.el9.x86_64], nextKernels: [5.14.0-2.el9.x86_64],"
        path.write_text(path.read_text().replace("count: 3,", kernels))
    folder.driver("nic", BUILD % argument)
    folder.write("drivers/Dockerfile", "FROM quay.io/acme/builder:9\nARG A\n")
    return folder


def images(folder: FleetFolder) -> list[list[str]]:
    result = folder.run("plan", "--format", "json")
    return sorted(item["clusters"] for item in json.loads(result.stdout)["images"])


def test_one_name_with_two_contents_is_two_images(tmp_path: Path) -> None:
    folder = fleet(tmp_path, "two")
    assert images(folder) == [["lyon", "nice"], ["paris"]]
    text = folder.run("plan").stdout
    assert "(build, for 5.14.0-2.el9.x86_64 on lyon, nice)" in text
    assert "(build, for 5.14.0-2.el9.x86_64 on paris)" in text


def test_one_content_on_several_clusters_is_one_image(tmp_path: Path) -> None:
    folder = fleet(tmp_path, "one")
    assert images(folder) == [["lyon", "nice", "paris"]]
    assert "(build, for 5.14.0-2.el9.x86_64)" in folder.run("plan").stdout
