"""What the operating system gets of the configuration: files as values, rendered from checked settings."""
