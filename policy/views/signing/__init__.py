"""Which kernel modules of an image are signed, by KMM or elsewhere, and which names say that they are not."""
