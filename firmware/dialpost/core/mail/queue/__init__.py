"""The queue's records, and its rules."""
