"""The ImageServices of a fleet: what each is on its clusters, and the mistakes that a schema cannot see."""
