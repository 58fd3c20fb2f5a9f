"""Root in folders that the station's user may write in: no link of that user leads a write elsewhere.

The places, each with its test here or where named:

- the configuration, its history and the console's password: written through `dialpost.edge.ground.durable`, and
root's console
  is the station's user before it begins (`edge/system/privileges`, tests/edge/system/test_privileges.py);
- accounts and `doctor`: the same, from their first line on;
- locks in the data folder: opened without following links;
- an update: root's copy in root's own folder (`cli/system/update.Installer`), a wish read without following links;
- `apply`: reads one regular file with one name (tests/edge/system/apply), no history that is a link;
- the line's request (tests/edge/line/ppp/test_session.py), and the socket that hears of the line;
- what the image runs before the station's user has any process (prepare-data, tests/image_build).
"""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import dialpost
from dialpost.core.errors import AlreadyRunningError, StorageError, UpdateError
from dialpost.core.line.ppp.events import trouble
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.console.admin_password import AdminPassword
from dialpost.edge.ground.durable import remove_durably, sync_folder, write_durably
from dialpost.edge.ground.folders import open_folder
from dialpost.edge.line.ppp import session
from dialpost.edge.mail.account_file import AccountFile
from dialpost.edge.system.apply.source import good_ones
from dialpost.edge.system.data_lock import DataLock
from dialpost.edge.system.update.bundle_download import NAME, copied, fetched
from dialpost.edge.system.update.unit import WISH, wished

NOBODY = 65_534
IMAGE = Path(__file__).parents[1] / "image-build" / "rootfs" / "usr" / "lib" / "dialpost"


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, or as somebody who takes himself for root: links of the station's user are another's then, too."""
    if os.geteuid() != 0:
        monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The station's folder, in which its user can put what it likes."""
    made = tmp_path / "station"
    made.mkdir()
    if os.getuid() == 0:
        os.chown(made, NOBODY, NOBODY)
    return made


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A file of root's, elsewhere."""
    made = tmp_path / "shadow"
    made.write_text("root's own\n")
    yield made
    assert made.read_text() == "root's own\n"
    assert made.stat().st_uid == os.getuid()


def lead(link: Path, target: Path) -> None:
    """A link of the station's user."""
    link.symlink_to(target)
    if os.getuid() == 0:
        os.lchown(link, NOBODY, NOBODY)


@pytest.mark.parametrize("name", ["file", "file.new"])
def test_a_file_is_written_in_the_place_of_a_link(folder: Path, victim: Path, name: str) -> None:
    lead(folder / name, victim)
    write_durably(folder / "file", b"new")
    assert (folder / "file").read_bytes() == b"new" and not (folder / "file").is_symlink()
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert (folder / "file").stat().st_uid == folder.stat().st_uid


def test_a_second_name_of_roots_file_is_given_up_not_written(folder: Path, victim: Path) -> None:
    os.link(victim, folder / "file")
    os.link(victim, folder / "file.new")
    write_durably(folder / "file", b"new")
    assert victim.stat().st_nlink == 1


def test_a_folder_that_is_another_users_link_is_not_entered(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "etc"
    elsewhere.mkdir()
    (elsewhere / "passwd").write_text("root's own")
    lead(folder / "history", elsewhere)
    for work in (
        lambda: write_durably(folder / "history" / "passwd", b"new"),
        lambda: remove_durably(folder / "history" / "passwd"),
        lambda: sync_folder(folder / "history"),
        lambda: open_folder(folder / "history"),
    ):
        with pytest.raises(OSError, match="link"):
            work()
    assert (elsewhere / "passwd").read_text() == "root's own"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: only root's own links are followed")
def test_links_that_are_roots_own_are_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "var").symlink_to("station")
    (tmp_path / "deep").symlink_to(tmp_path / "var")
    write_durably(tmp_path / "deep" / "file", b"new")
    assert (folder / "file").read_bytes() == b"new"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: only root's own links are followed")
def test_more_links_than_the_kernel_follows_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link0").symlink_to("station")
    for number in range(40):
        (tmp_path / f"link{number + 1}").symlink_to(f"link{number}")
    os.close(open_folder(tmp_path / "link39"))
    with pytest.raises(OSError, match="link"):
        open_folder(tmp_path / "link40")


def test_links_that_lead_nowhere_end(folder: Path) -> None:
    lead(folder / "a", folder / "b")
    lead(folder / "b", folder / "a")
    with pytest.raises(OSError):
        open_folder(folder / "a")


@pytest.mark.parametrize("name", ["console-password", "console-password.new"])
def test_the_consoles_password(folder: Path, victim: Path, name: str) -> None:
    lead(folder / name, victim)
    AdminPassword(folder / "dialpost.toml").set("a long enough passphrase")
    assert AdminPassword(folder / "dialpost.toml").is_right("a long enough passphrase")


def test_a_first_configuration(folder: Path, victim: Path) -> None:
    lead(folder / "dialpost.toml.new", victim)
    ConfigFile(folder / "dialpost.toml").create("# mine\n")
    assert (folder / "dialpost.toml").stat().st_uid == folder.stat().st_uid


def test_locks(folder: Path, victim: Path) -> None:
    lead(folder / "lock", victim)
    with pytest.raises((StorageError, AlreadyRunningError)):
        DataLock(folder).acquire()
    lead(folder / "accounts.toml.lock", victim)
    with pytest.raises(StorageError), AccountFile(folder / "accounts.toml").locked():
        pass


def test_an_update_that_is_fetched(folder: Path, victim: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lead(folder / NAME, victim)
    with pytest.raises(UpdateError), fetched("http://127.0.0.1:1/x", folder, print):
        pass
    assert not (folder / NAME).is_symlink()


def test_an_update_is_written_in_the_place_of_a_link(folder: Path, victim: Path, tmp_path: Path) -> None:
    (tmp_path / "x.raucb").write_bytes(b"good" * 1000)
    lead(folder / NAME, victim)
    with copied(tmp_path / "x.raucb", folder, lambda line: None) as copy:
        assert copy.read_bytes() == b"good" * 1000 and not copy.is_symlink()


def test_an_update_is_copied_to_where_only_root_writes(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    (folder / "x.raucb").write_bytes(b"good" * 1000)
    with copied(folder / "x.raucb", own, lambda line: None) as copy:
        (folder / "x.raucb").write_bytes(b"evil")
        assert copy.parent == own and copy.read_bytes() == b"good" * 1000
        assert copy.stat().st_mode & 0o077 == 0
    assert list(own.iterdir()) == []


def test_what_is_no_file_is_no_update(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "x.raucb")
    for bad in (folder / "x.raucb", folder, Path("/dev/zero")):
        with (
            pytest.raises(UpdateError, match=r"is not a file|directory"),
            copied(bad, tmp_path / "own", lambda line: None),
        ):
            pass


def test_a_wish_is_not_read_through_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("/media/stick/x.raucb\n")
    lead(folder / WISH, tmp_path / "elsewhere")
    with pytest.raises(UpdateError, match="No update was requested"):
        wished(folder)


def test_a_history_that_is_a_link_is_none(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "0001.toml").write_text('[station]\nhostname = "a.b.example"\ndomains = ["b.example"]\n')
    lead(folder / "dialpost.toml.history", elsewhere)
    assert list(good_ones(folder / "dialpost.toml")) == []


def test_the_line_tells_only_a_socket_in_its_own_place(folder: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.setblocking(False)
        lead(folder / "events", tmp_path / "notify")
        session._tell(folder / "events", trouble("x"))
        with pytest.raises(BlockingIOError):
            notify.recv(100)
        session._tell(tmp_path / "notify", trouble("x"))
        assert b"trouble" in notify.recv(100)


def test_the_drift_file_that_is_a_link(tmp_path: Path, victim: Path) -> None:
    """The image's clock-floor works in chronyd's folder."""
    lead(tmp_path / "chrony.drift", victim)
    (tmp_path / "clock-epoch").write_text("1\n")
    script = (
        (IMAGE / "clock-floor")
        .read_text()
        .replace("/var/lib/chrony", str(tmp_path))
        .replace("/usr/lib/clock-epoch", str(tmp_path / "clock-epoch"))
        .replace("_chrony:_chrony", f"{os.getuid()}")
    )
    subprocess.run(["sh", "-c", script], check=True, timeout=60)
    assert not (tmp_path / "chrony.drift").is_symlink()


def test_nothing_else_in_the_program_gives_files_away() -> None:
    """Whoever writes a new place where root changes an owner adds it to the list above."""
    program = Path(dialpost.__file__).parents[1]
    found = {
        str(path.relative_to(program))
        for path in program.rglob("*.py")
        if re.search(r"\bos\.(chown|lchown|fchown)\(|shutil\.chown\(", path.read_text())
    }
    assert found == {"dialpost/edge/ground/durable.py", "dialpost/edge/config/file.py"}
