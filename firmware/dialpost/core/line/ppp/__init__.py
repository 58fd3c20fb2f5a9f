"""What pppd gets, and what it says."""
