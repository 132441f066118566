"""How a driver reaches the nodes: pure, a target → manifests, one file a delivery."""
