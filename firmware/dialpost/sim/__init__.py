"""A simulated line, provider and panel, for the demonstration and the tests."""
