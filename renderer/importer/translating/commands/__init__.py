"""Commands of containers → the kernel modules that they load and unload."""
