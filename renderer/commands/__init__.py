"""One file a verb: arguments in, one call, print, exit code."""
