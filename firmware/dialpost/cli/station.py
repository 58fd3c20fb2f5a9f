"""Finding the running daemon from a command: which configuration, which socket."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from dialpost.core.config.model import Config, StationConfig
from dialpost.core.config.setup import run_dir_in
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.edge.config import ConfigFile
from dialpost.edge.control_socket import SOCKET_NAME, ControlClient


def load_config(args: argparse.Namespace) -> Config:
    """The configuration named on the command line. Raises: ConfigError with every fault found, NotFoundError."""
    return ConfigFile(args.config).load()


def control_client(args: argparse.Namespace, timeout_s: float = 60.0) -> ControlClient:
    """A client of the daemon. A configuration that is missing or can't be read does not stop the operator from
    asking: the fault is told, and the socket is looked for where a daemon without one has it.
    """
    try:
        path = Path(load_config(args).station.run_dir) / SOCKET_NAME
    except (ConfigError, NotFoundError) as error:
        path = control_path(args)
        if not path.exists():
            raise
        if isinstance(error, ConfigError):
            sys.stderr.write(f"dialpost: {error}\n")
    return ControlClient(path, timeout_s)


def control_path(args: argparse.Namespace) -> Path:
    """Where the daemon's socket is, whatever state the configuration is in."""
    named = ""
    with contextlib.suppress(ConfigError, NotFoundError):
        named = run_dir_in(ConfigFile(args.config).read())
    return Path(named or os.environ.get("DIALPOST_RUN_DIR", "") or StationConfig().run_dir) / SOCKET_NAME
