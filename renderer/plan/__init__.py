"""What every node would load on its next kernel."""
