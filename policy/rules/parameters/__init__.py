"""Rules that hold where a policy sets their parameter."""
