"""What the control API offers the operator at the console."""
