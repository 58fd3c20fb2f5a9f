"""The client side of ESMTP as a core without I/O: bytes and events in, bytes and events out.

`client.EsmtpClient` is the complete client; the other modules are its parts. It is our own code, because no
maintained Python client pipelines or supports BDAT, and on a slow line every wait for a reply costs as much as a
message.

    replies      bytes -> replies                         extensions   the answer to EHLO
    phases       from greeting to QUIT, as one table       opening      greeting, EHLO, STARTTLS, AUTH
    login        PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256     commands     MAIL and RCPT lines
    transaction  one message tried: verdicts -> outcomes   mailing      what may be sent now, and whose
    framing      DATA and BDAT content                                  answer a reply is
    lessons      what is offered, but not done             line_trust   where the provider needs no TLS
    tls_use      what is verified of a host

RFC 5321, 1870 (SIZE), 1985 (ETRN), 2034, 2645 (ATRN), 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS), 3461
(DSN), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8). Runs in the driver's event loop; never waits.
"""
