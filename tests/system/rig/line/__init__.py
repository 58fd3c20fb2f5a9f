"""The telephone line and its two ends, each a guest: the station, and the provider it dials."""
