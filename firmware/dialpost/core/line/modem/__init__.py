"""Modems: what is particular to a kind, and what they say."""
