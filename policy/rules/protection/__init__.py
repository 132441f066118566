"""Rules that keep what Modules and nodes need from being taken away."""
