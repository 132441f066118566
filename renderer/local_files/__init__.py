"""Files on this machine, read and written as if a stranger had put others in their place."""
