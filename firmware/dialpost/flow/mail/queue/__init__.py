"""The queue over time: what an operator does to it, and what age does."""
