"""What the operating system is told of the configuration: files as values, rendered from checked settings."""
