"""One call after the other: the machine, its actions, its memory."""
