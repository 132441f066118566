"""Rules about a change and the tree that holds it."""
