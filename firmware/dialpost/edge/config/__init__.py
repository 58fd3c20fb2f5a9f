"""The configuration on the card: the active file, and every earlier one, by number."""
