"""The semantics of KMM (Kernel Module Management), each stated once. Pure: no I/O."""
