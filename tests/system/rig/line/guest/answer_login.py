"""The login dialogue of an old provider on standard input and output: exit status 0 when all is right.

/etc/ppp/logins has a name and a password on each line. It echoes the name, not the password, and asks three times.
"""

from __future__ import annotations

import os
from pathlib import Path

_BANNER = b"\r\n\r\nWelcome to Provider Example, port 7\r\n\r\n"


def _say(data: bytes) -> None:
    os.write(1, data)


def _line(*, echo: bool) -> str:
    heard = b""
    while True:
        byte = os.read(0, 1)
        if byte in {b"", b"\r", b"\n"}:
            if heard or not byte:
                _say(b"\r\n")
                return heard.decode("utf-8", "replace")
            continue
        heard += byte
        if echo:
            _say(byte)


def main() -> int:
    logins = [line.split() for line in Path("/etc/ppp/logins").read_text().splitlines()]
    _say(_BANNER)
    for _ in range(3):
        _say(b"login: ")
        name = _line(echo=True)
        _say(b"Password: ")
        password = _line(echo=False)
        if [name, password] in logins:
            _say(b"Entering PPP mode.\r\nYour address is 10.64.0.2. MTU is 1500 bytes.\r\n")
            return 0
        _say(b"Login incorrect\r\n\r\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
