"""RAUC, which verifies bundles and writes slots. Blocks; installing takes minutes and needs root."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dialpost.core.errors import UpdateError, fault_words
from dialpost.core.json_text import parse_json

_INFO_S = 600.0  # it reads the whole bundle, perhaps from a slow stick


class Rauc:
    """`command` is rauc, or a stand-in for tests."""

    def __init__(self, command: str = "rauc") -> None:
        self._command = command

    def info(self, bundle: Path) -> Any:
        """The bundle's description of itself, after its signature was verified. Raises: UpdateError."""
        try:
            done = subprocess.run(
                [self._command, "info", "--output-format=json", str(bundle)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_INFO_S,
                check=False,
            )
            if done.returncode:
                raise UpdateError(f"{bundle.name} is not an update for this station: {_reason(done.stderr)}")
            return parse_json(done.stdout)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise UpdateError(f"{bundle.name} could not be examined: {fault_words(error)}") from error

    def install(self, bundle: Path, tell: Callable[[str], None]) -> None:
        """Write it to the slot that is not running, which starts next. Raises: UpdateError.

        `tell` is called with RAUC's lines as they come.
        """
        last = ""
        try:
            with subprocess.Popen(
                [self._command, "install", str(bundle)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    last = line.strip() or last
                    tell(line.rstrip("\n"))
        except OSError as error:
            raise UpdateError(f"rauc can't be run: {error.strerror or error}") from error
        if process.returncode:
            raise UpdateError(
                f"{bundle.name} was not installed: {_reason(last)} The station keeps running as before."
            )


def _reason(text: str) -> str:
    """RAUC's last message as a sentence."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    words = lines[-1] if lines else "rauc gives no reason"
    return words if words.endswith(".") else words + "."
