"""The configuration while the station runs: edited, committed, taken back."""
