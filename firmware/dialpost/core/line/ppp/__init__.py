"""What pppd is told, and what it says."""
