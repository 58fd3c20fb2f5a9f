"""Checks a configuration against the files in board/: its modem's profile, its country's rules, its panel.

Each finding is a warning, not a fault: such a station accepts and keeps mail, but makes no call, or shows nothing.
Reads a few small files; called whenever a configuration is checked, before it takes effect.
"""

from __future__ import annotations

from collections.abc import Callable

from dialpost.core.config.model import Config, LinkKind
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.core.line.dial_plan import dial_faults
from dialpost.core.panel.board import NO_BOARD
from dialpost.edge.system.board_files import BoardFiles


def board_warnings(config: Config) -> list[str]:
    """Whole sentences that name the key."""
    files = BoardFiles()
    found: list[str] = []
    wanted: list[tuple[str, str, Callable[[str], object]]] = []
    if config.panel.board not in {"", NO_BOARD}:
        wanted.append(("panel.board", config.panel.board, files.board))
    is_modem = config.link.kind is LinkKind.MODEM
    if is_modem:
        wanted += [
            ("modem.profile", config.modem.profile, files.profile),
            ("modem.country", config.modem.country, files.country),
        ]
    for key, name, read in wanted:
        try:
            read(name)
        except NotFoundError as error:
            found.append(f"{key}: {error}")
        except ConfigError as error:
            found += [f"{key}: {problem}" for problem in error.problems]
    is_known = not any(sentence.startswith("modem.") for sentence in found)
    if is_modem and is_known and files.profile(config.modem.profile).telephone:
        found += dial_faults(config.modem, files.country(config.modem.country))
    return found
