"""The way to the world: modem, PPP and the call."""
