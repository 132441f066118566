"""What a change does to a cluster beside the Modules of its own tree."""
