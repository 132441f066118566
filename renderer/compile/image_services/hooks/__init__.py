"""Programs of the hooks of Argo CD: each is a file of the standard library alone, which a Job gets as text."""
