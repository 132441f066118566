"""The gates of the command line: the rules over a compiled fleet."""
