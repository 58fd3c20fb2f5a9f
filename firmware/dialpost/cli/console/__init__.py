"""`dialpost console`: the dialogue at a terminal."""
