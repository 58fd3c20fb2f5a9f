"""Every configuration that was ever active, by number, in the folder `FILE.history`: 0001.toml, 0002.toml ...

The active file contains its own number (`core/config/history`), so one rename makes a configuration active together
with its number, author and time. Its copy in the folder is written beforehand, so that the card has room for both
or nothing is changed, and is named afterwards; if a power cut prevents that, the copy is made at the next check. A
file changed in an editor then gets its own number.

A configuration on trial is named in `FILE.history/unproven.json`, which is written before it becomes active:
whoever starts the station reverts it (`revert`) unless it was proved. Blocking: call it in a thread. One writer at
a time.
"""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

from dialpost.core.config.history import Commit, Proof, Unproven, split_header, with_header
from dialpost.core.errors import NotFoundError, StorageError
from dialpost.edge.ground.durable import MODE, remove_durably, sync_folder, write_durably

KEPT = 100
BY_HAND = "an editor"


class ConfigHistory:
    """The history beside the configuration file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve() if path.is_symlink() else path  # the link stays one
        self._folder = self.path.with_name(self.path.name + ".history")

    def current(self) -> Commit | None:
        """The active configuration, None if there is no file. If it is not in the folder yet, it is copied there.

        Raises: StorageError.
        """
        try:
            return self._current()
        except OSError as error:
            raise self._unusable(error) from error

    def commits(self) -> tuple[Commit, ...]:
        """Every one that is kept, oldest first; the author is "?" if the record is damaged. Raises:
        StorageError."""
        try:
            return tuple(self._record(number, path) for number, path in self._files().items())
        except OSError as error:
            raise self._unusable(error) from error

    def numbers(self) -> tuple[int, ...]:
        """The numbers that are kept, ascending. Raises: StorageError."""
        try:
            return tuple(self._files())
        except OSError as error:
            raise self._unusable(error) from error

    def is_withdrawn(self) -> bool:
        """Whether there is no file because the only configuration was rolled back, not because the card lost it."""
        return self._withdrawn.exists()

    def is_cut_short(self) -> bool:
        """Whether the file is the beginning of a kept one and ends within a line, or is empty although there was
        one.

        Editors leave neither; a card that lost the rest does. Raises: StorageError.
        """
        try:
            data, files = self.path.read_bytes(), self._files()
            if data.endswith(b"\n"):
                return False
            header = split_header(_decoded(data))[0]
            numbers = [header.number] if header is not None else list(files)
            kept = [files[number].read_bytes() for number in numbers if number in files]
        except OSError as error:
            raise self._unusable(error) from error
        bodies = [_encoded(split_header(_decoded(whole))[1]) for whole in kept]
        return any(len(data) < len(whole.rstrip()) and whole.startswith(data) for whole in (*kept, *bodies))

    def put_back(self, number: int) -> str:
        """Restore a kept one, unchanged, in place of a file that can't be used; returns that file's new name.

        Raises: NotFoundError, StorageError.
        """
        self.text_of(number)
        kept = ""
        try:
            if self.path.exists():
                aside = self._free_name()
                write_durably(aside, self.path.read_bytes(), MODE)
                kept = aside.name
            write_durably(self.path, self._files()[number].read_bytes(), self._mode())
        except OSError as error:
            raise self._storage_error(error) from error
        return kept

    def text_of(self, number: int) -> str:
        """The text of a numbered configuration. Raises: NotFoundError, StorageError."""
        path = self._files().get(number)
        if path is None:
            kept = list(self._files())
            there = f"{kept[0]} to {kept[-1]} are kept" if kept else "none is kept yet"
            raise NotFoundError(f"There is no configuration {number}: {there}.")
        try:
            return split_header(_decoded(path.read_bytes()))[1]
        except OSError as error:
            raise self._unusable(error) from error

    def commit(
        self, text: str, who: str, comment: str, when_s: int, *, clock_trusted: bool, proof: Proof | None = None
    ) -> Commit:
        """Make `text` the active configuration under the next number, on trial if there is something to prove.
        Durable on return.

        Raises: StorageError; the active configuration is unchanged then.
        """
        try:
            before = self._current()
            number = max((*self._files(), 0)) + 1
            commit = Commit(number, who, when_s, clock_trusted, comment)
            trial = self.unproven()  # one that has not proved itself is not worth going back to
            back_to = trial.back_to if trial is not None else before.number if before is not None else 0
            data = _encoded(with_header(text, commit))
            self._activate(data, number, Unproven(number, back_to, proof) if proof else None)
        except OSError as error:
            raise self._storage_error(error) from error
        return commit

    def _activate(self, data: bytes, number: int, trial: Unproven | None) -> None:
        """Everything that needs room comes before the one rename that counts. Raises: OSError, nothing changed."""
        copy, older = self._folder / f"{number:04}.copy", self._trial_text()
        try:
            self._make_folder()
            write_durably(copy, data)
            self._put_on_trial(number, trial)
            write_durably(self.path, data, self._mode())
        except OSError:
            with contextlib.suppress(OSError):
                copy.unlink(missing_ok=True)
                if older != self._trial_text():
                    remove_durably(self._trial) if older is None else write_durably(self._trial, older)
            raise
        with contextlib.suppress(OSError):  # it is active; the next check makes the missing copy
            self._withdrawn.unlink(missing_ok=True)
            copy.replace(self._folder / f"{number:04}.toml")
            sync_folder(self._folder)
            self._forget_the_oldest()

    def _trial_text(self) -> bytes | None:
        return self._trial.read_bytes() if self._trial.exists() else None

    def unproven(self) -> Unproven | None:
        """The active configuration, if it still has to prove itself."""
        with contextlib.suppress(OSError):
            trial = Unproven.from_text(_decoded(self._trial.read_bytes()))
            header = split_header(_decoded(self.path.read_bytes()))[0]
            if trial is not None and header is not None and header.number == trial.number:
                return trial
        return None

    def proven(self) -> None:
        """The active configuration needs no further proof. Durable on return. Raises: StorageError."""
        try:
            if self._trial.exists():
                remove_durably(self._trial)
        except OSError as error:
            raise self._storage_error(error) from error

    def revert(self, trial: Unproven, why: str, when_s: int, *, clock_trusted: bool) -> Commit | None:
        """Restore what was active before `trial`, under a new number; None: there was nothing, so set-up begins
        again.

        Raises: StorageError, NotFoundError if the previous one is no longer kept.
        """
        commit = None
        if trial.back_to:
            text = self.text_of(trial.back_to)
            commit = self.commit(text, "the station", why, when_s, clock_trusted=clock_trusted)
        else:
            try:
                self._make_folder()
                write_durably(self._withdrawn, b"")
                remove_durably(self.path)
            except OSError as error:
                raise self._storage_error(error) from error
        self.proven()
        return commit

    # -- on the card ----------------------------------------------------------------------------------

    @property
    def _withdrawn(self) -> Path:
        return self._folder / "withdrawn"

    def _free_name(self) -> Path:
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.spoilt-{number}")).exists():
            number += 1
        return aside

    @property
    def _trial(self) -> Path:
        return self._folder / "unproven.json"

    def _current(self) -> Commit | None:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        header, body = split_header(_decoded(data))
        files = self._files()
        newest = max(files, default=0)
        if header is not None and header.number > newest:
            self._keep(header.number, data)  # the power failed before this was done
            return header
        for number in (header.number if header else 0, newest):
            if number in files and split_header(_decoded(files[number].read_bytes()))[1] == body:
                return self._record(number, files[number])
        edited = Commit(newest + 1, BY_HAND, int(self.path.stat().st_mtime), True)
        self._keep(edited.number, _encoded(with_header(body, edited)))
        return edited

    def _files(self) -> dict[int, Path]:
        found = {int(path.stem): path for path in self._folder.glob("*.toml") if path.stem.isdecimal()}
        return dict(sorted(found.items()))

    def _record(self, number: int, path: Path) -> Commit:
        header = split_header(_decoded(path.read_bytes()))[0]
        if header is not None and header.number == number:
            return header
        return Commit(number, "?", int(path.stat().st_mtime), True)

    def _keep(self, number: int, data: bytes) -> None:
        self._make_folder()
        write_durably(self._folder / f"{number:04}.toml", data, MODE)
        self._forget_the_oldest()

    def _forget_the_oldest(self) -> None:
        for old in [*list(self._files().values())[:-KEPT], *self._folder.glob("*.copy")]:
            old.unlink(missing_ok=True)

    def _put_on_trial(self, number: int, trial: Unproven | None) -> None:
        """Called before it becomes active. A trial of the previous number stays until it is over: a revert may be
        under way."""
        if trial is not None:
            write_durably(self._trial, trial.to_text().encode())
            return
        with contextlib.suppress(FileNotFoundError):
            older = Unproven.from_text(_decoded(self._trial.read_bytes()))
            if older is None or older.number == number:  # from a commit that failed
                remove_durably(self._trial)

    def _make_folder(self) -> None:
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700)
            sync_folder(self._folder.parent)

    def _mode(self) -> int:
        """The mode of the file, without access for others."""
        return stat.S_IMODE(self.path.stat().st_mode) & 0o660 if self.path.exists() else MODE

    def _unusable(self, error: OSError) -> StorageError:
        return StorageError(f"{self.path} and its history can't be used: {error.strerror or error}.")

    def _storage_error(self, error: OSError) -> StorageError:
        return StorageError(f"{self.path} could not be saved: {error.strerror or error}.")


def _decoded(data: bytes) -> str:
    """Decode so that any content of the file round-trips unchanged."""
    return data.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
