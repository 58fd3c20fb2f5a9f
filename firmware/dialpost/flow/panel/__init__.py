"""The front panel over time: lights, button, a walk through both."""
