"""Commands about accounts and the queue."""
