"""`dialpost apply`: the diff anybody may see, a system under another root, a machine without the unit."""

from pathlib import Path

import pytest

from dialpost.__main__ import main
from dialpost.core.system.apply.rendered import NETWORK, PLACES
from dialpost.edge.system import apply_unit

CONFIG = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'


class Apply:
    """Runs `dialpost apply ARGUMENTS` on a configuration; its status, output and complaints."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._file, self._capsys = folder / "root", folder / "dialpost.toml", capsys
        self.root.mkdir()

    def __call__(self, *arguments: str, text: str = CONFIG) -> tuple[int, str, str]:
        self._file.write_text(text)
        status = main(["--config", str(self._file), "apply", *arguments])
        said = self._capsys.readouterr()
        return status, said.out, said.err


@pytest.fixture
def apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Apply:
    return Apply(tmp_path, capsys)


def test_a_dry_run_shows_the_diff_and_changes_nothing(apply: Apply) -> None:
    status, out, err = apply("--dry-run", "--root", str(apply.root))
    assert (status, err) == (1, "")
    assert [line[4:] for line in out.splitlines() if line.startswith("+++ ")] == list(PLACES)
    assert "+Address=192.168.216.25/24" in out.splitlines()
    assert list(apply.root.iterdir()) == []


def test_a_system_under_another_root_is_made_once(apply: Apply) -> None:
    status, out, _ = apply("--root", str(apply.root))
    assert status == 0
    assert [line.split()[1] for line in out.splitlines()] == list(PLACES)
    assert (apply.root / NETWORK.lstrip("/")).exists()
    assert apply("--root", str(apply.root)) == (0, "The system matches the configuration.\n", "")
    assert apply("--dry-run", "--root", str(apply.root)) == (0, "Nothing would change.\n", "")


def test_a_faulty_file_is_reported_and_nothing_is_written(apply: Apply) -> None:
    status, out, err = apply("--dry-run", "--root", str(apply.root), text=CONFIG + '[lan]\nmethod = "static"\n')
    assert (status, out) == (1, "") and "lan.address" in err
    status, _, err = apply("--dry-run", "--root", str(apply.root), text=CONFIG + 'data_dir = "/a b"\n')
    assert status == 1 and "'/a b' is no path" in err
    assert list(apply.root.iterdir()) == []


def test_a_machine_that_is_no_station_is_left_alone(
    apply: Apply, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(apply_unit, "_BOOTED", tmp_path / "none")
    status, out, err = apply()
    assert (status, out) == (1, "")
    assert err == (
        "dialpost: This machine has no dialpost-apply.service: its network and services stay as they are.\n"
    )
