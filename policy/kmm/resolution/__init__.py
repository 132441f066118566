"""What KMM would do with a Module on a kernel: the mapping that wins, and its templates filled."""
