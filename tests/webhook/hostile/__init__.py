"""What strangers send, to a server that runs: whatever it was, the next review is answered."""
