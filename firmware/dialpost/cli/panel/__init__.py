"""Commands about the front panel and its board."""
