"""USB sticks: mounted, listed, read and written."""
