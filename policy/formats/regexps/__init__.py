"""Regular expressions of Go, and what several of them match together."""
