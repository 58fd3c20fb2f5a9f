"""The wheel alone: built from the tree, installed with the locked packages in a fresh venv, and used there.

Needs the package index: `make test-release`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost import __version__

pytestmark = pytest.mark.release

TREE = Path(__file__).parents[2]
BOARD_FILES = {str(path.relative_to(TREE)) for path in (TREE / "board").rglob("*.toml")}
CONFIG = """\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
data_dir = "{folder}/data"
run_dir = "{folder}/run"
[smtp]
listen = ["127.0.0.1:0"]
submission_listen = ["127.0.0.1:0"]
submissions_listen = []
disk_reserve_bytes = 0
[outbound]
smarthost = "192.0.2.1"
[ppp]
default_route = true
[modem]
port = "{port}"
profile = "courier"
country = "austria"
numbers = ["0961123456"]
[panel]
board = "rpi-4b"
"""


@pytest.fixture(scope="module")
def wheel(made: Path) -> Path:
    """As `make release` makes it."""
    (found,) = made.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with the locked packages and the wheel; its `bin`."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    _pip(python, "install", "--require-hashes", "-r", str(TREE / "requirements.lock"))
    _pip(python, "install", "--no-deps", "--no-index", str(wheel))
    return folder / "bin"


def _pip(python: str, *arguments: str) -> None:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the venv, far from the checkout and its settings."""
    return subprocess.run(
        [installed / "dialpost", *words],
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}


def test_every_file_of_board_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {
            name.removeprefix("dialpost/") for name in archive.namelist() if name.startswith("dialpost/board/")
        }
    assert inside == BOARD_FILES


def test_it_knows_its_version_boards_modems_and_countries(installed: Path, tmp_path: Path) -> None:
    assert run(installed, tmp_path, "--version").stdout == f"dialpost {__version__}\n"
    boards, modems = (run(installed, tmp_path, kind, "list").stdout for kind in ("board", "modem"))
    assert "rpi-4b" in boards and "iridium" in modems
    assert "austria" in run(installed, tmp_path, "modem", "countries").stdout


def test_a_whole_simulated_call_arrives(installed: Path, tmp_path: Path) -> None:
    done = run(
        installed,
        tmp_path,
        "simulate",
        "--once",
        "--outbound",
        "2",
        "--inbound",
        "2",
        "--dial-s",
        "0",
        "--rate-bps",
        "1000000",
        "--rtt-ms",
        "1",
        "--any-ports",
        "--report",
        "report.json",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "report.json").read_text())


@pytest.fixture
def modem(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The port of a simulated modem, which is in the wheel too."""
    with subprocess.Popen(
        [installed / "python", "-m", "dialpost.sim.telephone", "--dial", "0"],
        cwd=tmp_path,
        env=_environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None and child.stdin is not None
        yield json.loads(child.stdout.readline())["station"]
        child.stdin.close()


def test_a_station_with_a_modem_runs(installed: Path, tmp_path: Path, modem: str) -> None:
    config = tmp_path / "dialpost.toml"
    config.write_text(CONFIG.format(folder=tmp_path, port=modem))
    assert run(installed, tmp_path, "config", "check", str(config)).returncode == 0
    tested = run(installed, tmp_path, "--config", str(config), "modem", "test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        with subprocess.Popen(
            [installed / "dialpost", "--config", str(config), "daemon"],
            cwd=tmp_path,
            env=_environment(tmp_path) | {"NOTIFY_SOCKET": str(tmp_path / "notify")},
        ) as daemon:
            try:
                assert notify.recv(1000).startswith(b"READY=1")
                status = json.loads(run(installed, tmp_path, "--config", str(config), "status", "--json").stdout)
            finally:
                daemon.terminate()
            assert daemon.wait(60) == 0
    assert (status["mode"], status["link"]) == ("running", "modem")
