"""What registers the webhook in a cluster: configurations and rights."""
