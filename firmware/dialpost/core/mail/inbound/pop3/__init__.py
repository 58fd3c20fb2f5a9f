"""The client side of POP3 as a core without I/O (`client.Pop3Dialogue`), for providers that offer nothing better.

    answers      bytes -> status lines, lists, messages      listing      what the box holds
    login        USER and PASS, APOP, SASL                   opening      greeting, CAPA, STLS, login
    client       the session

RFC 1939, 2449 (CAPA, response codes, PIPELINING), 2595 (STLS), 3206 (AUTH and SYS codes), 5034 (SASL). Runs in the
driver's event loop; never waits.
"""
