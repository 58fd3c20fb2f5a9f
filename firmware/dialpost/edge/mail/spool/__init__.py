"""Message bodies on the card: `bodies` names, finds and removes them, `writer` writes one, `rounds` syncs many."""

from dialpost.edge.mail.spool.bodies import Spool
from dialpost.edge.mail.spool.writer import SpoolWriter

__all__ = ["Spool", "SpoolWriter"]
