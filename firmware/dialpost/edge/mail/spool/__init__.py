"""Message bodies on the card: `bodies` names, finds and removes them, `writer` writes one, `rounds` syncs many that
are files; `logged` keeps small ones in the `log`, whose bytes core/mail/queue/spool_log knows.
"""

from dialpost.edge.mail.spool.bodies import Spool
from dialpost.edge.mail.spool.logged import LOG_BYTES
from dialpost.edge.mail.spool.writer import SpoolWriter

__all__ = ["LOG_BYTES", "Spool", "SpoolWriter"]
