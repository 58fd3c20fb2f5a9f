"""The replies that the server gives without asking the policy."""

from __future__ import annotations

from dialpost.core.mail.reply import Reply

OK = Reply(250, ("Ok",), "2.0.0")
SENDER_OK = Reply(250, ("Ok",), "2.1.0")
RECIPIENT_OK = Reply(250, ("Ok",), "2.1.5")
GO_ON = Reply(354, ("End data with <CR><LF>.<CR><LF>",))
UNKNOWN = Reply(500, ("Unknown command",), "5.5.2")
NOT_OFFERED = Reply(502, ("That command is not offered here",), "5.5.1")
TOO_LONG = Reply(500, ("The line is too long",), "5.5.2")
BARE_LF = Reply(500, ("Lines must end in CRLF",), "5.5.2")
HELLO_FIRST = Reply(503, ("Send EHLO first",), "5.5.1")
MAIL_FIRST = Reply(503, ("Send MAIL first",), "5.5.1")
RCPT_FIRST = Reply(503, ("Send RCPT first",), "5.5.1")
OUT_OF_ORDER = Reply(503, ("Not now: a message is in progress",), "5.5.1")
NO_RECIPIENTS = Reply(554, ("No valid recipients",), "5.5.1")
CHUNKS_BROKEN = Reply(503, ("Chunk discarded: send RSET",), "5.5.1")
TOO_MANY_RECIPIENTS = Reply(452, ("Too many recipients: send the rest in another message",), "4.5.3")
VRFY_WHOM = Reply(501, ("Syntax: VRFY <name or address>",), "5.5.4")
TLS_FIRST = Reply(530, ("Must issue a STARTTLS command first",), "5.7.0")
LOGIN_FIRST = Reply(530, ("Authentication required",), "5.7.0")
NEEDS_TLS = Reply(538, ("Encryption required to log in",), "5.7.11")
LOGGED_IN = Reply(235, ("Welcome",), "2.7.0")
TOO_MANY_ERRORS = Reply(421, ("Too many errors: closing the connection",), "4.7.0")
TOO_MANY_COMMANDS = Reply(421, ("Too many commands: closing the connection",), "4.7.0")
TOO_MANY_REFUSALS = Reply(421, ("Too many refused addresses: closing the connection",), "4.7.0")
NO_SMTP = Reply(421, ("This is a mail server, and that is not SMTP: closing the connection",), "4.7.0")
GOING_DOWN = Reply(421, ("The station is shutting down: try again later",), "4.3.2")
BYE = Reply(221, ("Bye",), "2.0.0")
