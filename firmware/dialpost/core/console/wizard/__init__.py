"""The set-up wizard, without a terminal."""
