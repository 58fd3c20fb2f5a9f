"""The board folder on disk: boards, modem profiles and countries' dial rules, found, read and listed.

The folder is $DIALPOST_BOARD_DIR if that is set, else the package's own `dialpost/board`, which in a checkout is a
link to board/. A name means NAME.toml in it; a name with a slash or ending in .toml is a path.
"""

from __future__ import annotations

import difflib
import os
from importlib.resources import files
from pathlib import Path

from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.core.line.country import Country, parse_country
from dialpost.core.line.modem.probe import Hints
from dialpost.core.line.modem.profile import ModemProfile
from dialpost.core.line.modem.profile_text import parse_hints, parse_profile
from dialpost.core.panel.board import Board, parse_board

ENVIRONMENT = "DIALPOST_BOARD_DIR"
_MAX_BYTES = 200_000
_MODEL = Path("/sys/firmware/devicetree/base/model")
"""The same as /proc/device-tree/model, which the daemon's sandbox hides (ProcSubset=pid)."""

_LISTED_BY = {
    "boards": "dialpost board list",
    "modems": "dialpost modem list",
    "countries": "dialpost modem countries",
}


class BoardFiles:
    """The files of one board folder. Without `folder`, it is found as described above."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _find()

    def board(self, name: str) -> Board:
        """A board's pins. Raises: NotFoundError, ConfigError with every fault of the file."""
        path = self.path("boards", name)
        return parse_board(path.stem, _read(path), str(path))

    def boards(self) -> list[Board]:
        """All of them, by name. Raises: ConfigError, NotFoundError."""
        return [self.board(name) for name in self.names("boards")]

    def board_of(self, model: str) -> Board | None:
        """The board of a machine with this model name; None if no file matches. Raises: as `boards`."""
        if not model:  # no device tree, so no reason to read them all
            return None
        known = [(board.is_model(model), board) for board in self.boards()]
        length, board = max(known, key=lambda one: one[0], default=(0, None))
        return board if length else None

    def country(self, name: str) -> Country:
        """A country's rules. Raises: NotFoundError, ConfigError with every fault of the file."""
        path = self.path("countries", name)
        return parse_country(path.stem, _read(path), str(path))

    def profile(self, name: str) -> ModemProfile:
        """A modem's profile. Raises: NotFoundError, ConfigError with every fault of the file."""
        path = self.path("modems", name)
        return parse_profile(name, _read(path), str(path))

    def profiles(self) -> list[ModemProfile]:
        """All of them, by name. Raises: ConfigError, NotFoundError."""
        return [self.profile(name) for name in self.names("modems")]

    def hints(self) -> dict[str, Hints]:
        """The marks by which the modems of each profile are recognised. Raises: ConfigError, NotFoundError."""
        paths = {name: self.path("modems", name) for name in self.names("modems")}
        return {name: parse_hints(_read(path), str(path)) for name, path in paths.items()}

    def countries(self) -> list[Country]:
        """All of them, by name. Raises: ConfigError, NotFoundError."""
        return [self.country(name) for name in self.names("countries")]

    def names(self, kind: str) -> list[str]:
        """The names of a kind (boards, modems, countries), sorted. Raises: NotFoundError without a folder."""
        folder = self._place(kind)
        if not folder.is_dir():
            raise NotFoundError(
                f"There is no folder {folder}. It comes with Dialpost; set {ENVIRONMENT} if it lies elsewhere."
            )
        return sorted(path.stem for path in folder.glob("*.toml"))

    def path(self, kind: str, name: str) -> Path:
        """The file of that name or path. Raises: NotFoundError naming the nearest."""
        if "/" in name or name.endswith(".toml"):
            path = Path(name).expanduser()
            if not path.is_file():
                raise NotFoundError(f"There is no file {path}.")
            return path
        names = self.names(kind)
        if name in names:
            return self._place(kind) / f"{name}.toml"
        near = difflib.get_close_matches(name.lower().replace(" ", "-"), names, 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else f"`{_LISTED_BY[kind]}` lists them."
        raise NotFoundError(f'There is no "{name}" among the {kind} in {self._place(kind)}. {hint}')

    def _place(self, kind: str) -> Path:
        """Boards are in the folder itself, the other kinds in their own subfolders."""
        return self.folder if kind == "boards" else self.folder / kind


def machine_model(path: Path = _MODEL) -> str:
    """The model name in this machine's device tree; "" if it has none."""
    try:
        return path.read_bytes().decode(errors="replace").strip("\0 \n")
    except OSError:
        return ""


def _find() -> Path:
    told = os.environ.get(ENVIRONMENT)
    if told:
        return Path(told)
    return Path(str(files("dialpost"))) / "board"


def _read(path: Path) -> str:
    """The text. Raises: ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError((f"{path} can't be read: {error.strerror or error}.",)) from error
    if len(data) > _MAX_BYTES:
        raise ConfigError((f"{path} is larger than {_MAX_BYTES // 1000} kB: that is no such file.",))
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError((f"{path}: line {line} is not UTF-8 text; save it as UTF-8.",)) from None
