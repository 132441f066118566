"""Objects that load kernel modules by other means than a Module of today → the Module that does the same."""
