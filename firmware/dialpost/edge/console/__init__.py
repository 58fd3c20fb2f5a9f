"""The console's terminal and its password."""
