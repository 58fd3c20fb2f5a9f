"""A candidate configuration, changed key by key before it takes effect."""
