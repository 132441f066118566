"""ImageService → the files that a site merges and applies by hand, and the objects that go into the tree."""
