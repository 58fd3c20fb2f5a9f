"""Updates: which may be installed, and what became of the last."""
