"""KMM: a Module, and what it is built from and needs around it."""
