"""What loads a driver at boot, before the network and the cluster are there: OpenShift's machine configuration."""
