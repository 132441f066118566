"""Formats that objects are written in, or hold: YAML, JSON, schemas, expressions, image names, certificates."""
