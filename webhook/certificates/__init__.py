"""TLS certificates: served, reloaded, issued, and published as caBundle."""
