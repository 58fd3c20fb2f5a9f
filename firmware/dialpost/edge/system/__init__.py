"""The machine: systemd, the card, the clock, updates."""
