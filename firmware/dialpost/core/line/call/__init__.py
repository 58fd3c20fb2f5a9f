"""The call: its states, its record, its end, its cost."""
