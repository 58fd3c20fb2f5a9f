"""TLS as a client that knows the name in the certificate, and that may resume an earlier session."""

from __future__ import annotations

import smtplib
import socket
import ssl
from pathlib import Path
from typing import Any


class AtHost(ssl.SSLContext):
    """Python's clients check the certificate for the name they connect to, which is a number here.

    `session`: an earlier one, which the next connection resumes if the server will.
    """

    host: str
    session: ssl.SSLSession | None = None

    def wrap_socket(self, sock: socket.socket, *_args: Any, **_more: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, server_hostname=self.host, session=self.session)


def at_host(host: str, authority: Path) -> AtHost:
    context = AtHost(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    context.host = host
    return context


def smtp_session(port: int, context: AtHost, *, implicit: bool = False) -> tuple[bool, ssl.SSLSession | None]:
    """One session: whether it resumed an earlier one, and what to resume next. By STARTTLS, or `implicit`."""
    if implicit:
        client: smtplib.SMTP = smtplib.SMTP_SSL("127.0.0.1", port, context=context)
    else:
        client = smtplib.SMTP("127.0.0.1", port)
    with client:
        if not implicit:
            client.starttls(context=context)
        client.ehlo("station.example")  # tickets come after the handshake (RFC 8446 §4.6.1)
        assert isinstance(client.sock, ssl.SSLSocket)
        return bool(client.sock.session_reused), client.sock.session
