"""The log's lines: written without waiting, the newest kept."""
