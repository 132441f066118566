"""Rules of the API server and of KMM's own webhook."""
