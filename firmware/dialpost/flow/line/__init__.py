"""The line over time: the modem, the call, the links."""
