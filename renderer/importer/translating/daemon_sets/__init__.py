"""DaemonSets that load kernel modules, as drivers."""
