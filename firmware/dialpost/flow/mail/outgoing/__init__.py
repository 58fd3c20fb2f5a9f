"""Mail going out: the flush, its lanes, and what became of each recipient."""
