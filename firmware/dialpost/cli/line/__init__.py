"""Commands about the call and the modem."""
