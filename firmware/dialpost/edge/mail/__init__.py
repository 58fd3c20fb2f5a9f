"""Mailboxes, the spool, the queue database, SMTP both ways, name service."""
