"""Where the parts of a text stand, by line and column."""
