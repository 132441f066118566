"""The rendered tree on disk against git's index: what the next commit would not have."""

from __future__ import annotations

from pathlib import Path

from kmodgate.renderer import git
from kmodgate.renderer.tree.compare import Files
from kmodgate.renderer.tree.index import INDEX


def unstaged(output: Path, wanted: dict[str, Files]) -> list[str]:
    """Return the files of some clusters that the index does not have as they are, relative to the output folder.

    Files of others that git does not know are left out. Raises Unusable outside of a repository.
    """
    changed, untracked = git.unstaged(output)
    owned = {f"{cluster}/{name}" for cluster, files in wanted.items() for name in (*files, INDEX)}
    return sorted({name for name in changed if name.partition("/")[0] in wanted} | (untracked & owned))
