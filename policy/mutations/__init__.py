"""What admission changes: pure, a review → JSON Patch."""
