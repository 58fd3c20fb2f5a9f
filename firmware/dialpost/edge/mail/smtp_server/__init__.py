"""The SMTP server: one asyncio protocol object per connection, one task each.

`connection.Connection` is an `aiosmtpd.smtp.SMTP`, which makes the session's task and ends it. The wire, the
commands and the content are ours (docs/decisions/0039-what-aiosmtpd-does-for-the-station.md). The server speaks;
`core.mail.session.IntakePolicy` decides.
RFC 5321, 1870 (SIZE), 2034 (ENHANCEDSTATUSCODES), 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS),
3461 (DSN), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8).
"""

from dialpost.edge.mail.smtp_server.factory import SmtpServer, smtp_protocol_factory

__all__ = ["SmtpServer", "smtp_protocol_factory"]
