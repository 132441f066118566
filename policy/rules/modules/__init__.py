"""Rules about a Module by itself."""
