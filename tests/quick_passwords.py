"""Hashes of passwords that cost little: a real one is meant to take time, and tests make and check thousands."""

from __future__ import annotations

from dialpost.core.password import hash_password

REAL_DEFAULTS = hash_password.__defaults__
QUICK_DEFAULTS = (50,)
"""Iterations."""
