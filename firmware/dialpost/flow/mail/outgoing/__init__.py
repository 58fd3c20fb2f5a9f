"""Mail going out: the flush, its lanes, and what happened to each recipient."""
