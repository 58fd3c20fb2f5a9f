"""The folder of the daemon's control socket, read from a configuration without the full parser.

Commands that ask the daemon need nothing else from it, and should start fast.
"""

from __future__ import annotations

import re

DEFAULT_RUN_DIR = "/run/dialpost"
"""The default of `station.run_dir`."""
_PLAIN = re.compile(r"""\s*run_dir\s*=\s*(["'])(/[^"'\\]*)\1\s*(?:#.*)?""")


def plain_run_dir(text: str) -> str | None:
    """The folder, if the text names it in the usual form or not at all; None if that takes a parser."""
    lines = [line for line in text.split("\n") if "run_dir" in line and not line.lstrip().startswith("#")]
    if not lines:
        return DEFAULT_RUN_DIR
    [first, *more] = lines
    found = _PLAIN.fullmatch(first)
    return found[2] if found is not None and not more else None
