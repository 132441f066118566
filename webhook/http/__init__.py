"""The HTTPS server: listener, connections, limits, replies."""
