"""The crash proof: what a card may keep of every write of a few operations, and what the station makes of it."""
