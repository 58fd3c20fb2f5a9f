"""Message bodies on the card: `bodies` names, finds and removes them, `writer` writes one, `rounds` syncs many."""

from dialpost.edge.spool.bodies import Spool
from dialpost.edge.spool.writer import SpoolWriter

__all__ = ["Spool", "SpoolWriter"]
