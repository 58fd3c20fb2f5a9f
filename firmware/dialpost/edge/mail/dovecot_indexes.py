"""Removes, before Dovecot starts, the indexes of mailboxes whose index log was torn by a power cut.

`dialpost-dovecot.service` runs this. Dovecot rebuilds the indexes from the mailbox itself: message numbers are in
`dovecot-uidlist`, flags in the file names. Left to itself it would refuse the mailbox until the mail program
reconnects (decision 24).

Runs as the station's user, and must not keep Dovecot from starting: unreadable files are left to it. Blocking.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from dialpost.core.mail.dovecot_index_log import is_whole

_LOG = re.compile(r"(dovecot(?:\.list)?\.index)\.log(?:\.2)?\Z")
_MAIL_HOME = re.compile(r"^mail_home = (/.*)/%\{user\}$", re.MULTILINE)
_OF_MAILDIR = frozenset({"cur", "new", "tmp"})


def forget_torn(mail: Path) -> list[Path]:
    """Examine every mailbox below that folder; returns the files removed."""
    gone: list[Path] = []
    for folder, name in _torn(mail):
        # The whole index, not only its log: the index may already depend on the part that was torn.
        for path in sorted(folder.glob(f"{name}*")):
            path.unlink(missing_ok=True)
            gone.append(path)
    return gone


def _torn(mail: Path) -> Iterator[tuple[Path, str]]:
    """The folder and the common start of the file names of each torn index."""
    for folder, folders, files in os.walk(mail):
        folders[:] = [name for name in folders if name not in _OF_MAILDIR]
        logs = [(name, found[1]) for name in files if (found := _LOG.match(name))]
        yield from {(Path(folder), index) for name, index in logs if not is_whole(Path(folder, name).read_bytes())}


def main() -> int:
    """`python3 -P -m dialpost.edge.mail.dovecot_indexes DOVECOT.CONF`: the mailboxes that this Dovecot serves."""
    try:
        found = _MAIL_HOME.search(Path(sys.argv[1]).read_text("utf-8"))
        if found is None:
            sys.stderr.write(f"{sys.argv[1]} does not say where the mailboxes are\n")
            return 1
        for path in forget_torn(Path(found[1])):
            sys.stderr.write(f"{path}: its log was torn by a power cut; Dovecot rebuilds it\n")
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
