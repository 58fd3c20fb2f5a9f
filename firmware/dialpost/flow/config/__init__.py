"""The configuration while the station runs: edited, committed, rolled back."""
