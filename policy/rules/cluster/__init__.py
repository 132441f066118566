"""Rules that need facts about other objects of the cluster."""
