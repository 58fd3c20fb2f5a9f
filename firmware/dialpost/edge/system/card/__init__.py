"""The card: its room, its state, its speed."""
