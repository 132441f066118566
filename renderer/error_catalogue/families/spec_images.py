"""Errors about the images of specs."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "IMG: images"

ENTRIES = (
    Entry(
        "IMG001",
        "`contentTag` without anything that is built or signed, or for an image without a tag or with a digest",
        "give the image a tag, or remove `contentTag`",
    ),
    Entry(
        "IMG401",
        "one image name with different content: clusters or drivers build or sign it in different ways, or for"
        " different kernels, and KMM makes an image of a name once",
        "set `contentTag: true`, give one of them another name, or put the kernel into the tag; a DriverPolicy may"
        " give it a mode like a rule",
    ),
    Entry(
        "IMG402",
        "a base image of a build that no build argument can move, on a cluster with a mirror of its source (a"
        " warning): builders ignore the mirrors of nodes",
        "name it by an ARG of its own before the first FROM, what is copied from by a stage that begins with it;"
        " render gives the build the mirror's name",
    ),
    Entry(
        "IMG403",
        "a tag whose source is mirrored for digests only, or the reverse (a warning)",
        "add a mirror of the other type to the cluster, or name the image the other way",
    ),
)
