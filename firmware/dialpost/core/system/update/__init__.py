"""Updates: which may be installed, and the outcome of the last."""
