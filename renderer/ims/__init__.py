"""The verbs of `kmodgate ims`: decisions, comparisons of releases, templates, recipe flags, roll-outs."""
