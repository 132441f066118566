"""Objects that load a kernel module at boot → `boot` of a driver."""
