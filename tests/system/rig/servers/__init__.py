"""Real servers in chroots of their own: Postfix, Exim, Dovecot, a name server."""
