"""What the API server asks the webhook: entries, their conditions, the namespaces that they are for."""
