"""What the Image Management Service makes of a request: its own checks, stored records, remote nodes and templates."""
