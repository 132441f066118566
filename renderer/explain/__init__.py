"""Where a field of a rendered object comes from."""
