"""The SMTP server: aiosmtpd, with what a station on a slow line and a small card needs.

One asyncio protocol object per connection, one task each. It speaks; `core.session.IntakePolicy` decides.
RFC 5321, 1870 (SIZE), 2034 (ENHANCEDSTATUSCODES), 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS),
3461 (DSN), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8).
"""

from dialpost.edge.mail.smtp_server.factory import SmtpServer, smtp_protocol_factory

__all__ = ["SmtpServer", "smtp_protocol_factory"]
