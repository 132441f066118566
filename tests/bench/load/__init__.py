"""The webhook under load, beside a bare echo and KMM's own server."""
