"""Objects as rules look at them, each part read once a review."""
