"""DKF: Dockerfiles that build another image than their author meant, or none. They stand in ConfigMaps."""
