"""The fast path: forms of the parts of a Module that most rules need not look at."""
