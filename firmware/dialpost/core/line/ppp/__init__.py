"""pppd's options, and what it reports."""
