"""What only the repository needs: composed schemas and generated pages; not in the wheel."""
