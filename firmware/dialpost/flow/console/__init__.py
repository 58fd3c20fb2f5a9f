"""What the control API offers a person at the console."""
