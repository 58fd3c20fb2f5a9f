"""The files an update leaves, the unit that installs it, and how one is fetched from the LAN."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dialpost.core.errors import StorageError, UpdateError
from dialpost.core.system.boot.state import Slot
from dialpost.core.system.update.record import UpdateRecord, UpdateState
from dialpost.edge.system.boot.trial import BootTrial
from dialpost.edge.system.update.bundle_download import NAME, fetched, is_address
from dialpost.edge.system.update.file import UpdateFile, UpdateNotes, boot_id
from dialpost.edge.system.update.unit import UpdateUnit, wished

RECORD = UpdateRecord("1", UpdateState.INSTALLED, "0.3.0", "0.2.0", Slot.B, "boot-1")


def test_the_record_and_the_notes(tmp_path: Path) -> None:
    file, notes = UpdateFile(tmp_path / "update.json"), UpdateNotes(tmp_path)
    assert (file.read(), notes.get("told")) == (None, "")
    file.write(RECORD)
    notes.note("told", "1")
    notes.note("seen", "2")
    assert (file.read(), notes.get("told"), notes.get("seen")) == (RECORD, "1", "2")
    file.clear()
    file.clear()
    assert file.read() is None
    (tmp_path / "update.json").write_bytes(b"\0\0\0")
    (tmp_path / "update-notes.json").write_bytes(b"[]")
    assert (file.read(), notes.get("told")) == (None, "")
    with pytest.raises(StorageError):
        UpdateFile(tmp_path / "no" / "folder").write(RECORD)
    assert len(boot_id()) == 36


@pytest.mark.parametrize(
    ("command_line", "state"),
    [
        ("root=x rauc.slot=b panic=10\n", UpdateState.TRYING),
        ("root=x rauc.slot=a", UpdateState.ROLLED_BACK),
        ("root=/dev/sda1 quiet", UpdateState.INSTALLED),
        ("rauc.slot=c", UpdateState.INSTALLED),
    ],
)
def test_the_record_as_it_stands_in_this_start(tmp_path: Path, command_line: str, state: UpdateState) -> None:
    (tmp_path / "cmdline").write_text(command_line)
    file = UpdateFile(tmp_path / "update.json", tmp_path / "cmdline")
    assert file.now() is None
    file.write(RECORD)
    found = file.now()
    assert found is not None and found.state is state
    assert file.read() == RECORD


def test_a_trial_begins_and_ends(tmp_path: Path) -> None:
    trial = BootTrial(tmp_path / "boot" / "on-trial")
    trial.end()
    assert not trial.is_on()
    trial.begin()
    trial.begin()
    assert trial.is_on()
    trial.end()
    assert not trial.is_on()


def _unit(folder: Path, script: str) -> UpdateUnit:
    command = folder / "systemctl"
    command.write_text(f'#!/bin/sh\nset -e\necho "$@" >{folder}/asked\n{script}\n')
    command.chmod(0o755)
    return UpdateUnit(folder, folder / "said", str(command))


def test_the_unit_is_told_the_file_and_its_words_are_shown(tmp_path: Path) -> None:
    told: list[str] = []
    unit = _unit(
        tmp_path,
        f"exec >{tmp_path}/said; cat {tmp_path}/update-wish; "
        'echo " 40% writing"; sleep 0.7; echo "Done: it is in."',
    )
    unit.install(Path("/media/new.raucb"), told.append)
    assert told == ["/media/new.raucb", " 40% writing"]
    assert (tmp_path / "asked").read_text() == "--no-ask-password start dialpost-update.service\n"
    with pytest.raises(UpdateError, match="No update was requested"):
        wished(tmp_path)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'It is for a toaster.' >{0}/said", "It is for a toaster."),
        ("echo 'Access denied' >&2; exit 4", "could not be started: Access denied"),
        ("exit 0", "could not be started"),  # what an earlier one said does not count
    ],
)
def test_a_refusal_is_the_units_last_words(tmp_path: Path, script: str, words: str) -> None:
    (tmp_path / "said").write_text("Done: long ago.\n")
    with pytest.raises(UpdateError, match=words):
        _unit(tmp_path, script.format(tmp_path)).install(Path("/media/new.raucb"), lambda line: None)
    assert not (tmp_path / "update-wish").exists()


def test_a_wish_names_a_whole_path(tmp_path: Path) -> None:
    (tmp_path / "update-wish").write_text("/media/new.raucb\n")
    assert wished(tmp_path) == Path("/media/new.raucb")
    for text in ("", "\n", "new.raucb"):
        (tmp_path / "update-wish").write_text(text)
        with pytest.raises(UpdateError):
            wished(tmp_path)


def _fetched(address: str, folder: Path) -> AbstractContextManager[Path]:
    return fetched(address, folder, lambda line: None)


class _Torn(BaseHTTPRequestHandler):
    """Says that there are 1000 bytes, and sends ten."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"0123456789")

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[str]:
    """A computer that gives away files."""
    (tmp_path / "pc").mkdir()
    (tmp_path / "pc" / "new.raucb").write_bytes(b"bundle" * 100_000)
    yield from _served(partial(_Quiet, directory=str(tmp_path / "pc")))


@pytest.fixture
def torn() -> Iterator[str]:
    yield from _served(_Torn)


def _served(handler: type[BaseHTTPRequestHandler] | partial[_Quiet]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_bundle_is_fetched_whole_and_does_not_stay(tmp_path: Path, lan: str) -> None:
    told: list[str] = []
    with fetched(f"{lan}/new.raucb", tmp_path, told.append) as file:
        assert file.read_bytes() == b"bundle" * 100_000
    assert not (tmp_path / NAME).exists()
    assert told == ["0 MB fetched"]


@pytest.mark.parametrize("name", ["none.raucb", ""])
def test_what_cannot_be_fetched_is_said(tmp_path: Path, lan: str, name: str) -> None:
    address = f"{lan}/{name}" if name else "http://127.0.0.1:1/x"
    with pytest.raises(UpdateError, match=r"404|refused"), _fetched(address, tmp_path):
        raise AssertionError
    assert not (tmp_path / NAME).exists()


def test_a_connection_that_breaks_off(tmp_path: Path, torn: str) -> None:
    with (
        pytest.raises(UpdateError, match=r"the connection was lost|could not be fetched"),
        _fetched(torn, tmp_path),
    ):
        raise AssertionError
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(("text", "is_one"), [("http://pc/x", True), ("/media/x", False), ("x.raucb", False)])
def test_what_is_an_address(text: str, is_one: bool) -> None:
    assert is_address(text) is is_one
