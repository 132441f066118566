"""Two snapshots of a fleet, and what follows from their difference."""
