"""A provider that has no mail, inside a guest: answers ETRN with its argument, anything else with 250."""

from __future__ import annotations

import socketserver
import sys

_EHLO = b"250-mail.provider.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ETRN\r\n"


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 mail.provider.example ESMTP\r\n")
        for line in self.rfile:
            match line.split(maxsplit=1)[0].upper():
                case b"EHLO":
                    self.wfile.write(_EHLO)
                case b"ETRN":
                    self.wfile.write(f"{sys.argv[1]}\r\n".encode())
                case b"QUIT":
                    self.wfile.write(b"221 2.0.0 Bye\r\n")
                    return
                case _:
                    self.wfile.write(b"250 2.0.0 Ok\r\n")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


if __name__ == "__main__":
    with _Server(("0.0.0.0", 25), _Smtp) as server:
        server.serve_forever()
