"""Values against JSON Schemas: what is wrong, in words a person can act on, and how to correct it."""
