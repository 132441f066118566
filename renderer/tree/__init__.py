"""The rendered tree: compared, written, and owned by its index."""
