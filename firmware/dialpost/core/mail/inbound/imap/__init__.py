"""A small IMAP client that empties a mailbox over a slow line, without I/O (RFC 9051, RFC 3501).

It is our own because no library does what a paid line needs. imaplib, imapclient and aioimaplib have no
COMPRESS=DEFLATE (RFC 4978), wait for one answer after another, and can't continue a message at the byte where the
line was lost.
"""
