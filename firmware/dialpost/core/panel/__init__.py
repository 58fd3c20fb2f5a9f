"""The front panel: what the lights show and what the button means."""
