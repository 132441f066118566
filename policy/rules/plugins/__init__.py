"""Rules about device plugins and DRA drivers: their pods, and what keeps the API server from making them."""
