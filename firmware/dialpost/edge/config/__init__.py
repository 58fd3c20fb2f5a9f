"""The configuration on the card: the file in force, and every one that was, by number."""
