"""What is known of a cluster: facts, dumps of it, and what stands in for objects that a review looks up."""
