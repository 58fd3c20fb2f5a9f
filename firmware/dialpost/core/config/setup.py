"""What a station starts with before it has a configuration, and what can be salvaged from an unreadable one."""

from __future__ import annotations

import re

from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.errors import ConfigError
from dialpost.core.toml_text import parse_toml

_RUN_DIR = re.compile(r"""^\s*run_dir\s*=\s*["'](/[^"'\n]*)["']""", re.MULTILINE)


def first_text(text: str, *, data_dir: str = "", run_dir: str = "") -> str:
    """The text of a first configuration: `text`, with the given folders. Raises: ConfigError."""
    candidate = Candidate(text)
    for key, folder in (("station.data_dir", data_dir), ("station.run_dir", run_dir)):
        if folder:
            candidate = candidate.set(key, folder)
    return candidate.text


def run_dir_in(text: str) -> str:
    """The folder of the control socket named in a configuration, however damaged; "" if none is."""
    try:
        station = parse_toml(text).get("station")
        found = station.get("run_dir") if isinstance(station, dict) else None
        return found if isinstance(found, str) and found.startswith("/") else ""
    except ConfigError:
        match = _RUN_DIR.search(text)
        return match[1] if match else ""
