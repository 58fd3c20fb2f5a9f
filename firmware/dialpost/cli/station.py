"""Finding the running daemon from a command: which configuration, which socket.

Commands that only ask the daemon start fast: all they read from the configuration is the socket's location. If
there is no socket, the whole configuration is read and checked.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dialpost.core.config.run_dir import DEFAULT_RUN_DIR, plain_run_dir
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.edge.config.reading import config_text
from dialpost.edge.control_socket import SOCKET_NAME, ControlClient

if TYPE_CHECKING:
    from dialpost.core.config.model import Config


def load_config(args: argparse.Namespace) -> Config:
    """The configuration named on the command line. Raises: ConfigError with every fault found, NotFoundError."""
    from dialpost.edge.config.file import ConfigFile

    return ConfigFile(args.config).load()


def control_client(args: argparse.Namespace, timeout_s: float = 60.0) -> ControlClient:
    """A client of the daemon. A missing or unreadable configuration does not stop the operator: the fault is
    reported, and the socket is expected where a daemon without a configuration puts it.
    """
    path = _named_socket(args.config)
    if path is not None and _may_be_there(path):
        return ControlClient(path, timeout_s)
    try:
        path = Path(load_config(args).station.run_dir) / SOCKET_NAME
    except (ConfigError, NotFoundError) as error:
        path = control_path(args)
        if not _may_be_there(path):
            raise
        if isinstance(error, ConfigError):
            sys.stderr.write(f"dialpost: {error}\n")
    return ControlClient(path, timeout_s)


def _may_be_there(path: Path) -> bool:
    """Also if this user may not look: the client then says so, and who may."""
    try:
        return path.exists()
    except PermissionError:
        return True


def _named_socket(config: Path) -> Path | None:
    """Where a configuration puts it; None if that takes a parser, or there is no configuration."""
    try:
        folder = plain_run_dir(config_text(config))
    except (ConfigError, NotFoundError):
        return None
    return None if folder is None else Path(folder) / SOCKET_NAME


def control_path(args: argparse.Namespace) -> Path:
    """Where the daemon's socket is, whatever the state of the configuration."""
    from dialpost.core.config.setup import run_dir_in

    named = ""
    with contextlib.suppress(ConfigError, NotFoundError):
        named = run_dir_in(config_text(args.config))
    return Path(named or os.environ.get("DIALPOST_RUN_DIR", "") or DEFAULT_RUN_DIR) / SOCKET_NAME
