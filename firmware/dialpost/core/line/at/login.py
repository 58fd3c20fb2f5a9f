"""The login dialogue some providers want before PPP: wait for a text, answer it, in turn (like chat(8))."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

KEPT_BYTES = 4096
_REFUSAL = re.compile(
    r"incorrect|invalid|denied|refused|rejected|fail|wrong|bad (?:user|login|pass)|unknown user"
    r"|(?:login|username): *\Z",
    re.IGNORECASE,
)
"""What login servers say about a wrong password; some just ask for the name again."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The script is complete."""


@dataclass(frozen=True, slots=True)
class LoginLost:
    """The line was lost while it ran."""


class LoginScript:
    """`script` is what to wait for and what to answer, in turn; %u is the user, %p the password, %% a percent sign.

    An unpaired last text is waited for and not answered. `waits_for` is shown to people: it never contains a
    secret.
    """

    def __init__(self, script: Sequence[str], user: str, password: str) -> None:
        self._steps = [
            (script[n], script[n + 1] if n + 1 < len(script) else None) for n in range(0, len(script), 2)
        ]
        self._user, self._password = user, password
        self._sent_password = False
        self._heard = self._seen = ""  # everything; the part not yet matched

    @property
    def waits_for(self) -> str:
        """The text it waits for now, "" at the end."""
        return self._steps[0][0] if self._steps else ""

    @property
    def seen(self) -> str:
        """The other side's last words, printable; an echoed password is masked."""
        said = self._heard
        for secret in {self._password, _in_seven_bits(self._password.encode("utf-8"))} - {""}:
            said = said.replace(secret, "***")
        return "".join(sign if sign.isprintable() else " " for sign in said[-200:]).strip()

    @property
    def is_refused(self) -> bool:
        """Whether the password was sent and the response since then sounds like a refusal; only for use after
        waiting in vain."""
        return self._sent_password and _REFUSAL.search(self._seen) is not None

    def receive(self, data: bytes) -> list[Send | LoggedIn | LoginLost]:
        """Bytes from the other side, b"" to begin. Some send with parity, so the eighth bit is ignored."""
        text = _in_seven_bits(data)
        self._heard = (self._heard + text)[-KEPT_BYTES:]
        self._seen = (self._seen + text)[-KEPT_BYTES:]
        found: list[Send | LoggedIn | LoginLost] = []
        while self._steps:
            expected, answer = self._steps[0]
            at = self._seen.find(expected)
            if at < 0:
                if "NO CARRIER" in self._seen:
                    found.append(LoginLost())
                return found
            self._seen = self._seen[at + len(expected) :]
            self._steps.pop(0)
            self._sent_password |= answer is not None and "%p" in answer
            if answer is not None:
                found.append(Send(self._filled(answer).encode("utf-8") + b"\r"))
        found.append(LoggedIn())
        return found

    def _filled(self, text: str) -> str:
        """In one pass: a percent sign in a name or password is never expanded again."""
        values = {"%u": self._user, "%p": self._password, "%%": "%"}
        return re.sub("%[up%]", lambda found: values[found[0]], text)


def _in_seven_bits(data: bytes) -> str:
    return bytes(byte & 0x7F for byte in data).decode("ascii")
