"""A TCP connection to a mail host, with TLS: what the SMTP client and the collecting of mail have in common."""
