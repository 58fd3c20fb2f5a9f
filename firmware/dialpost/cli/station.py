"""Finding the running daemon from a command: which configuration, which socket."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dialpost.core.config import Config, StationConfig
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.edge.config_file import ConfigFile
from dialpost.edge.control_socket import SOCKET_NAME, ControlClient


def load_config(args: argparse.Namespace) -> Config:
    """The configuration named on the command line. Raises: ConfigError with every fault found, NotFoundError."""
    return ConfigFile(args.config).load()


def control_client(args: argparse.Namespace, timeout_s: float = 60.0) -> ControlClient:
    """A client of the daemon. A configuration that can't be read does not stop the operator from asking:
    the socket's usual place is tried then, and the fault is told.
    """
    try:
        run_dir = load_config(args).station.run_dir
    except (ConfigError, NotFoundError) as error:
        run_dir = StationConfig().run_dir
        if (Path(run_dir) / SOCKET_NAME).exists():
            sys.stderr.write(f"dialpost: {error}\n")
        else:
            raise
    return ControlClient(Path(run_dir) / SOCKET_NAME, timeout_s)
