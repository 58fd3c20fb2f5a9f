"""What the control API offers an operator at the console."""
