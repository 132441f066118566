"""Known ways around an admission webhook, and that none of them is one here; docs/security.md lists the classes."""
