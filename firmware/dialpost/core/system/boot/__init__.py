"""The boot state, and when a start counts as healthy."""
