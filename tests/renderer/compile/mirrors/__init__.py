"""The mirrors of a cluster."""
