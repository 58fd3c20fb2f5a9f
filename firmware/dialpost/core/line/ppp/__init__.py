"""pppd's options, and what it says."""
