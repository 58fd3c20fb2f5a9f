"""The history of configurations on the card: numbers, who and when, and what a power cut at any step leaves."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Never

import pytest

from dialpost.core.config.history import Commit, Proof, Unproven
from dialpost.core.errors import NotFoundError, StorageError
from dialpost.edge.config import history
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.config.history import ConfigHistory
from dialpost.edge.ground import durable
from known import known

TEXT = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
OTHER = TEXT.replace("mail.", "mx.")
THIRD = TEXT.replace("mail.", "post.")
NOW_S = 1_800_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "dialpost.toml"
    file.write_text(TEXT)
    file.chmod(0o640)
    return file


@pytest.fixture
def book(path: Path) -> ConfigHistory:
    return ConfigHistory(path)


def commit(book: ConfigHistory, text: str, who: str = "anna", comment: str = "", **options: Proof) -> Commit:
    return book.commit(text, who, comment, NOW_S, clock_trusted=True, **options)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def told(book: ConfigHistory) -> list[tuple[int, str, str]]:
    return [(one.number, one.who, one.comment) for one in book.commits()]


def test_every_text_has_a_number_who_and_when(book: ConfigHistory, path: Path) -> None:
    assert commit(book, OTHER, comment="a new name").number == 2
    commit(book, TEXT, "bruno")
    assert told(book) == [(1, "an editor", ""), (2, "anna", "a new name"), (3, "bruno", "")]
    assert [book.text_of(number) for number in (1, 2, 3)] == [TEXT, OTHER, TEXT]
    assert ConfigFile(path).load().station.hostname == "mail.clinic.example"
    assert book.current() == book.commits()[-1]
    assert known(book.current()).when == "2027-01-15 08:00:00 UTC"
    with pytest.raises(NotFoundError, match=r"no configuration 9: 1 to 3 are kept"):
        book.text_of(9)


def test_a_wrong_clock_is_reported(book: ConfigHistory) -> None:
    book.commit(OTHER, "anna", "", 3, clock_trusted=False)
    assert known(book.current()).when == "1970-01-01 00:00:03 UTC (the clock was wrong)"


def test_passwords_are_closed_to_others(book: ConfigHistory, path: Path) -> None:
    path.chmod(0o644)
    commit(book, OTHER)
    folder = path.with_name("dialpost.toml.history")
    assert (mode(path), mode(folder), {mode(one) for one in folder.iterdir()}) == (0o640, 0o700, {0o600})


def test_what_an_editor_changed_gets_a_number_of_its_own(book: ConfigHistory, path: Path) -> None:
    commit(book, OTHER)
    path.write_text(path.read_text().replace("mx.", "post."))
    assert (known(book.current()).number, known(book.current()).who) == (3, "an editor")
    assert book.text_of(3) == THIRD
    path.write_text(OTHER)  # an older text, put there as it was
    assert known(book.current()).number == 4
    commit(book, TEXT)
    assert [book.text_of(number) for number in range(1, 6)] == [TEXT, OTHER, THIRD, OTHER, TEXT]


def test_what_is_no_text_is_kept_as_it_is(book: ConfigHistory, path: Path) -> None:
    path.write_bytes(b"\xff\xfe[\n")
    assert known(book.current()).number == 1
    commit(book, OTHER)
    kept = path.with_name("dialpost.toml.history") / "0001.toml"
    assert kept.read_bytes().endswith(b"\n\xff\xfe[\n")


def test_the_first_of_all(tmp_path: Path) -> None:
    book = ConfigHistory(tmp_path / "dialpost.toml")
    assert (book.current(), book.commits(), book.unproven()) == (None, (), None)
    assert commit(book, TEXT).number == 1
    assert mode(book.path) == 0o600


def test_the_oldest_go_first(book: ConfigHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT", 3)
    for text in (OTHER, TEXT) * 4:
        commit(book, text)
    assert [one.number for one in book.commits()] == [7, 8, 9]


def test_a_trial_ends_with_its_proof_or_goes_back(book: ConfigHistory) -> None:
    commit(book, OTHER, proof=Proof.CONFIRM)
    assert book.unproven() == Unproven(2, 1, Proof.CONFIRM)
    book.proven()
    book.proven()  # harmless
    assert book.unproven() is None
    commit(book, THIRD, proof=Proof.START)
    back = book.revert(known(book.unproven()), "it did not start", NOW_S, clock_trusted=True)
    assert back is not None
    assert (back.number, back.who, back.comment, book.text_of(4)) == (4, "the station", "it did not start", OTHER)
    assert book.unproven() is None


def test_before_the_first_there_is_none_to_go_back_to(tmp_path: Path) -> None:
    book = ConfigHistory(tmp_path / "dialpost.toml")
    commit(book, TEXT, proof=Proof.CONFIRM)
    assert book.revert(known(book.unproven()), "not confirmed", NOW_S, clock_trusted=True) is None
    assert (book.path.exists(), book.current(), book.text_of(1)) == (False, None, TEXT)
    assert commit(book, OTHER).number == 2


def test_the_mark_of_a_commit_that_failed_harms_no_later_one(
    book: ConfigHistory, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Never:
        raise OSError(28, "No space left on device")

    write = durable.write_durably
    monkeypatch.setattr(history, "write_durably", lambda p, *rest: fails() if p == path else write(p, *rest))
    with pytest.raises(StorageError, match="No space left"):
        commit(book, OTHER, proof=Proof.CONFIRM)
    monkeypatch.undo()
    assert (book.unproven(), path.read_text()) == (None, TEXT)
    assert commit(book, THIRD).number == 2
    assert book.unproven() is None


class PowerCut(BaseException):
    """The power goes at this step."""


class Cutter:
    """Counts the steps that reach the card and cuts before the one it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.at = at
        self.steps: list[object] = []
        for owner, name in (
            (os, "open"),
            (os, "fsync"),
            (os, "fchmod"),
            (os, "replace"),
            (os, "unlink"),
            (Path, "mkdir"),
        ):
            self._watch(monkeypatch, owner, name)

    def _watch(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        real = getattr(owner, name)

        def step(*args: int | Path | str, **kwargs: int) -> Any:
            if self.at == len(self.steps):
                raise PowerCut
            self.steps.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, step)


def cuts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prepare: Callable[..., Any], do: Callable[..., Any]
) -> Iterator[tuple[int, ConfigHistory]]:
    """After a cut before each step in turn: the step's number and a fresh look at the card."""
    at = 0
    while True:
        folder = tmp_path / str(at)
        folder.mkdir()
        (folder / "dialpost.toml").write_text(TEXT)
        book = ConfigHistory(folder / "dialpost.toml")
        prepare(book)
        with monkeypatch.context() as patch:
            cutter = Cutter(patch, at)
            try:
                do(book)
                assert at > 8, cutter.steps
                return
            except PowerCut:
                pass
        yield at, ConfigHistory(folder / "dialpost.toml")
        at += 1


def test_a_cut_at_any_step_of_a_commit_leaves_the_old_or_the_new(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = []
    for at, book in cuts(monkeypatch, tmp_path, lambda book: commit(book, OTHER), lambda book: commit(book, THIRD)):
        text = ConfigFile(book.path).load().station.hostname
        current = book.current()
        assert current is not None
        found.append((text, current.number))
        assert (text, current.number) in {("mx.clinic.example", 2), ("post.clinic.example", 3)}, at
        assert book.text_of(current.number) == {2: OTHER, 3: THIRD}[current.number]
        assert commit(book, TEXT).number == current.number + 1
        assert [one.number for one in book.commits()] == list(range(1, current.number + 2))
        assert book.commits()[1].who == "anna"
    assert set(found) == {("mx.clinic.example", 2), ("post.clinic.example", 3)}
    assert found == sorted(found)  # never the old one again after the new one was there


def test_a_cut_at_any_step_of_a_commit_on_trial_never_leaves_it_without_its_mark(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = set()
    for at, book in cuts(
        monkeypatch,
        tmp_path,
        lambda book: commit(book, OTHER),
        lambda book: commit(book, THIRD, proof=Proof.CONFIRM),
    ):
        number, trial = known(book.current()).number, book.unproven()
        assert (number, trial) in {(2, None), (3, Unproven(3, 2, Proof.CONFIRM))}, at
        seen.add(number)
    assert seen == {2, 3}


def test_a_cut_at_any_step_of_a_revert_is_made_up_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def revert(book: ConfigHistory) -> None:
        book.revert(known(book.unproven()), "not confirmed", NOW_S, clock_trusted=True)

    for at, book in cuts(monkeypatch, tmp_path, lambda book: commit(book, OTHER, proof=Proof.CONFIRM), revert):
        if (trial := book.unproven()) is not None:
            assert trial == Unproven(2, 1, Proof.CONFIRM), at
            revert(book)
        assert (book.unproven(), known(book.current()).number, book.text_of(3)) == (None, 3, TEXT)
        assert ConfigFile(book.path).load().station.hostname == "mail.clinic.example"


def test_the_content_is_safe_before_its_name_and_the_name_before_we_return(
    book: ConfigHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(book, OTHER)
    done = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(fd: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        real_fsync(fd)

    def replace(source: Path | str, target: Path | str, **kwargs: int) -> None:
        done.append(Path(target).name)
        return real_replace(source, target, **kwargs)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    commit(book, TEXT, proof=Proof.CONFIRM)
    written = [("file", name, "folder") for name in ("0003.copy", "unproven.json", "dialpost.toml")]
    assert done == [*(step for steps in written for step in steps), "0003.toml", "folder"]


@pytest.mark.parametrize("step", ["open", "fchmod", "fsync", "replace"])
def test_a_fault_at_any_step_of_a_commit_changes_all_or_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str
) -> None:
    """One fault of the card, wherever it comes: what the caller hears is what is on the card."""
    outcomes = []
    for at in range(100):
        folder = tmp_path / f"{step}-{at}"
        folder.mkdir()
        (folder / "dialpost.toml").write_text(TEXT)
        book = ConfigHistory(folder / "dialpost.toml")
        commit(book, OTHER, proof=Proof.START)
        book.proven()
        before = {name.name: name.read_bytes() for name in folder.rglob("*") if name.is_file()}
        with monkeypatch.context() as patch:
            left = fail_once(patch, os, step, at)
            try:
                commit(book, THIRD, proof=Proof.CONFIRM)
                told_so = True
            except StorageError:
                told_so = False
        if left() >= 0:
            break
        outcomes.append(told_so)
        after = {name.name: name.read_bytes() for name in folder.rglob("*") if name.is_file()}
        if told_so:
            assert (known(book.current()).number, book.unproven()) == (3, Unproven(3, 2, Proof.CONFIRM)), at
        else:
            assert after == before, at
    assert False in outcomes


def fail_once(patch: pytest.MonkeyPatch, owner: object, name: str, at: int) -> Callable[..., Any]:
    """Let the call numbered `at` fail; the answer tells how many were left before it."""
    real, left = getattr(owner, name), [at]

    def act(*args: int | str, **kwargs: int) -> Any:
        left[0] -= 1
        if left[0] == -1:
            raise OSError(5, "Input/output error")
        return real(*args, **kwargs)

    patch.setattr(owner, name, act)
    return lambda: left[0]


@pytest.mark.parametrize("step", ["fsync", "open"])
def test_a_card_that_fails_leaves_the_old_file(
    book: ConfigHistory, path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(*args: int | str, **kwargs: Any) -> Never:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(StorageError, match="could not be saved: No space left"):
        commit(book, OTHER)
    monkeypatch.undo()
    assert path.read_text() == TEXT
    assert [one.name for one in path.parent.rglob("*.new")] == []


def test_a_folder_that_can_not_be_used_is_reported(book: ConfigHistory, path: Path) -> None:
    path.with_name("dialpost.toml.history").write_text("no folder")
    with pytest.raises(StorageError, match="its history can't be used: Not a directory"):
        book.current()
    with pytest.raises(StorageError, match="could not be saved: Not a directory"):
        commit(book, OTHER)
    assert path.read_text() == TEXT


def test_what_is_not_proven_is_nothing_to_go_back_to(book: ConfigHistory) -> None:
    commit(book, OTHER, proof=Proof.START)
    commit(book, THIRD, proof=Proof.CONFIRM)
    assert book.unproven() == Unproven(3, 1, Proof.CONFIRM)
    commit(book, OTHER, proof=Proof.START)
    assert book.unproven() == Unproven(4, 1, Proof.START)
    book.proven()
    commit(book, THIRD, proof=Proof.START)
    assert book.unproven() == Unproven(5, 4, Proof.START)


def test_a_link_to_the_file_stays_a_link(tmp_path: Path, path: Path) -> None:
    link = tmp_path / "etc" / "dialpost.toml"
    link.parent.mkdir()
    link.symlink_to(path)
    commit(ConfigHistory(link), OTHER)
    assert link.is_symlink() and ConfigFile(path).load().station.hostname == "mx.clinic.example"
    assert told(ConfigHistory(path)) == told(ConfigHistory(link))
