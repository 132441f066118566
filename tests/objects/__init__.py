"""Objects for tests: made, walked over and patched."""
