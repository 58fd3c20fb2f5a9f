"""The configuration on the card: the file in force, and every one that was, by number."""

from dialpost.edge.config.file import ConfigFile
from dialpost.edge.config.history import ConfigHistory

__all__ = ["ConfigFile", "ConfigHistory"]
