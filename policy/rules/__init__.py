"""The rules, one file a family. Importing this registers all of them."""

from policy.rules import kmm, structure

__all__ = ["kmm", "structure"]
