"""Errors of the rendered tree."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "GIT: the tree"

ENTRIES = (
    Entry(
        "GIT001",
        "a Module would leave the tree, which unloads its driver ([removals](tree.md#removals)), or what stands for a"
        " driver there would be for another pool, or another namespace on spokes; or an entry of `removals.yaml` has"
        " another digest than the Module",
        "if it is meant, `kmodgate render --allow-removal NAME`, or `state: absent`; no policy can lower it",
    ),
    Entry(
        "GIT002",
        "a file, folder or link of somebody else where kmodgate wants to write",
        "move it away",
    ),
    Entry(
        "GIT003",
        "a spec in the output folder, where none is looked for",
        "move it out of there, or give another `--output`",
    ),
    Entry(
        "GIT004",
        "an object stands twice in one file, or in two files of one rendered cluster (a warning)",
        "keep it in one place; which of the two is applied is decided by their order",
    ),
    Entry(
        "GIT005",
        "an entry of `removals.yaml` that nothing needs (a note): its Module is in the tree again, or has not left"
        " since the revision, or the entry lacks its `place`",
        "`kmodgate render` drops the first kind; delete the second once its removal is merged",
    ),
    Entry(
        "GIT006",
        "a file in the output folder that no render has written, and that Argo CD would apply (a warning)",
        "delete it, or let a driver attach it",
    ),
    Entry(
        "GIT007",
        "an Application in a dump of Argo CD's cluster that applies the tree, a part of it, or a folder around it, and"
        " that the fleet does not make (a warning): a cluster that has left, a rename, a second Application of one"
        " folder, or one of the whole repository",
        "delete it where its folder is the tree or in it; it has no finalizer, so that its cluster keeps what it"
        " applied. Where its folder is around the tree, keep the tree out of it: `directory.exclude: '<path>/**'`",
    ),
)
