"""Mailboxes as Maildirs: `maildirs` delivers, archives, purges; `usage` knows how full they are."""

from dialpost.edge.mail.maildir.maildirs import Delivery, Maildirs

__all__ = ["Delivery", "Maildirs"]
