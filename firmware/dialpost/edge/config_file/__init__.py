"""The configuration on the card: the file in force, and every one that was, by number."""

from dialpost.edge.config_file.file import ConfigFile
from dialpost.edge.config_file.history import ConfigHistory

__all__ = ["ConfigFile", "ConfigHistory"]
