"""Finding the running daemon from a command."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

import pytest

from dialpost.cli.station import control_client
from dialpost.core.errors import ControlError


@pytest.mark.parametrize("text", ["", '[station]\nrun_dir = "{folder}"\n'])
def test_a_user_who_may_not_look_for_the_socket_reads_who_may_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    folder = tmp_path / "closed"
    config = tmp_path / "dialpost.toml"
    if text:
        config.write_text(text.format(folder=folder))
    exists = Path.exists

    def closed(self: Path, **options: bool) -> bool:
        if self.parent == folder:
            raise PermissionError(13, "Permission denied", str(self))
        return exists(self, **options)

    def refused(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", closed)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setenv("DIALPOST_RUN_DIR", str(folder))
    client = control_client(argparse.Namespace(config=config))
    with pytest.raises(ControlError, match="Use root, or become a member of its group"):
        client.call("status")
