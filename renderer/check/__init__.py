"""The check gate: inputs, the objects as git has them, and the findings."""
