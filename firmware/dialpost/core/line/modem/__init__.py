"""Modems: what is specific to each kind, and what they say."""
