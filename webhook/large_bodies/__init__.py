"""A process of its own for large bodies, so that decoding one does not hold up all others."""
