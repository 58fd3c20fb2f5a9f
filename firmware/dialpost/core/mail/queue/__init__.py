"""What the queue knows, and the rules it goes by."""
