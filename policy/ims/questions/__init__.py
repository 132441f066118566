"""Questions about jobs of the Image Management Service: where one runs, and what a change or an upgrade does to it."""
