"""The operating system's part of the configuration: files as values, rendered from checked settings."""
