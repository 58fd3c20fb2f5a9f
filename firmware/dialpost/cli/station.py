"""Finding the running daemon from a command: which configuration, which socket."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dialpost.core.config import Config, StationConfig
from dialpost.core.config_text import parse_config
from dialpost.core.errors import ConfigError
from dialpost.edge.control_socket import SOCKET_NAME, ControlClient


def load_config(args: argparse.Namespace) -> Config:
    """The configuration named on the command line. Raises: ConfigError, with every fault found."""
    path: Path = args.config
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            (f"There is no configuration file {path}. Make one with `dialpost config init {path}`, "
             "or name yours with --config FILE.",)
        ) from None  # fmt: skip
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError((f"{path} can't be read: {error}.",)) from error
    return parse_config(text, str(path))


def control_client(args: argparse.Namespace, timeout_s: float = 60.0) -> ControlClient:
    """A client of the daemon. A configuration that can't be read does not stop the operator from asking:
    the socket's usual place is tried then, and the fault is told.
    """
    try:
        run_dir = load_config(args).station.run_dir
    except ConfigError as error:
        run_dir = StationConfig().run_dir
        if (Path(run_dir) / SOCKET_NAME).exists():
            sys.stderr.write(f"dialpost: {error}\n")
        else:
            raise
    return ControlClient(Path(run_dir) / SOCKET_NAME, timeout_s)
