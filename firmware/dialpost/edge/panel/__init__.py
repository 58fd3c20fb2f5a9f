"""The panel's hardware."""
