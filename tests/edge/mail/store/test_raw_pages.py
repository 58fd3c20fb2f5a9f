"""Reading rows out of pages: all that SQLite wrote, and no exception from anything else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.edge.mail.store.raw_pages import Cell, PageSource, Value, page_bytes, wal_frames

ROWS: list[tuple[int, tuple[Value, ...]]] = [
    (1, (None, 0, 1, -1, "")),
    (2, (None, 127, 128, -129, "ä" * 30)),
    (3, (None, 2**31, -(2**47), 2**62, "x" * 20_000)),
    (300_000_000_000, (None, None, 1.5, b"\x00\xff", "end")),
]


@pytest.mark.parametrize("page_size", [512, 1024, 4096])
def test_every_kind_of_value_and_rows_longer_than_a_page(tmp_path: Path, page_size: int) -> None:
    path = tmp_path / "x.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {page_size}")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c, d)")
    connection.execute("CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID")
    for rowid, row in ROWS:
        connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", (rowid, *row[1:]))
    connection.execute("INSERT INTO w VALUES ('key', ?)", ("v" * 5000,))
    connection.close()
    assert page_bytes(path, 77) == page_size
    cells = list(PageSource(path, tmp_path / "none", 77).cells())
    assert [(cell.rowid, cell.record) for cell in cells if cell.rowid and len(cell.record) == 5][-4:] == ROWS
    assert Cell(None, ("key", "v" * 5000)) in cells


def test_rows_that_are_only_in_the_log(tmp_path: Path) -> None:
    path, wal = tmp_path / "x.db", tmp_path / "x.db-wal"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA page_size = 1024")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
    for number in range(1, 50):
        connection.execute("INSERT INTO t VALUES (?, ?)", (number, f"row {number}"))
    frames = wal_frames(wal, 1024)
    assert frames is not None
    assert (frames.header_is_sound, len(frames.commits)) == (True, 50)
    found = {
        cell.rowid: cell.record
        for cell in PageSource(path, wal, 1024).cells()
        if cell.rowid and cell.record[0] is None
    }
    assert {number: found.get(number) for number in range(1, 50)} == {n: (None, f"row {n}") for n in range(1, 50)}
    connection.close()


def test_no_log_no_frames(tmp_path: Path) -> None:
    assert wal_frames(tmp_path / "none", 1024) is None
    (tmp_path / "short").write_bytes(b"x" * 32)
    assert wal_frames(tmp_path / "short", 1024) is None
    (tmp_path / "rubbish").write_bytes(b"x" * 5000)
    frames = wal_frames(tmp_path / "rubbish", 1024)
    assert frames is not None
    assert not frames.header_is_sound


LEAVES = st.sampled_from([b"\x0d", b"\x0a"])


@given(
    st.lists(st.tuples(LEAVES, st.binary(min_size=511, max_size=511)), min_size=1, max_size=4),
    st.binary(max_size=3000),
)
def test_rubbish_is_passed_over(
    tmp_path_factory: pytest.TempPathFactory, pages: list[tuple[bytes, bytes]], log: bytes
) -> None:
    directory = tmp_path_factory.mktemp("rubbish")
    (directory / "db").write_bytes(b"".join(kind + rest for kind, rest in pages))
    (directory / "wal").write_bytes(log)
    for cell in PageSource(directory / "db", directory / "wal", 512).cells():
        assert isinstance(cell, Cell)
