"""Serial ports, pppd, links without a modem."""
