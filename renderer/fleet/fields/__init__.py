"""The fields of a spec: what they become in objects, how overrides merge them, where each came from."""
