"""Reviews: read, decided by the policy, answered."""
