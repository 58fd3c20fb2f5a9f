"""The machine around the mail, over time."""
