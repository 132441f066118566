"""What the webhook knows of its cluster: watches, caches and questions to the API server."""
