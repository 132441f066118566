"""Specs to manifests to tree to git: the `kmodgate` command."""
