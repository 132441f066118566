"""What check knows of a cluster beside the objects: a dump, the last commit, the rendered cluster."""
