"""The objects of clusters: read, brought into a normal form, and what of them goes into specs and attached files."""
