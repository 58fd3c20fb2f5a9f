"""`dialpost config`: what is printed where, and the exit status."""

from pathlib import Path

import pytest

from dialpost.__main__ import main
from dialpost.core.config.fields import all_fields

GOOD = """\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
[outbound]
smarthost = "smtp.provider.example"
user = "clinic"
password = "s3cret-word"
[link]
kind = "gateway"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "dialpost.toml"
    file.write_text(GOOD)
    file.chmod(0o600)
    return file


def run(capsys: pytest.CaptureFixture[str], *arguments: Path | str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    status = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert "s3cret-word" not in said.out + said.err
    return status, said.out, said.err


def test_check_a_good_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "config", "check", path) == (0, f"{path} is usable.\n", "")
    assert run(capsys, "--config", path, "config", "check") == (0, f"{path} is usable.\n", "")


def test_check_warns_and_lets_through(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.chmod(0o644)
    path.write_text(GOOD.replace("smarthost =", "# smarthost ="))
    status, out, err = run(capsys, "config", "check", path)
    lines = out.splitlines()
    assert (status, err, lines[-1]) == (0, "", f"{path} is usable.")
    assert all(line.startswith(f"WARNING  {path}: ") for line in lines[:-1])
    assert any("outbound.smarthost is not set" in line for line in lines)
    assert any("every user of this machine" in line for line in lines)


@pytest.mark.parametrize(
    ("modem", "said"),
    [
        ('profile = "courrier"', "modem.profile: "),
        ('country = "Austira"', "modem.country: "),
        ('dial_mode = "pulse"\nnumbers = ["*99#"]', "characters only tones have"),
        ('numbers = ["+43 961 123"]', "do not say what is dialled for the +"),
    ],
)
def test_check_warns_of_what_no_call_can_be_made_with(
    path: Path, capsys: pytest.CaptureFixture[str], modem: str, said: str
) -> None:
    text = GOOD.replace(
        'kind = "gateway"', f'kind = "modem"\n[modem]\nport = "/dev/ttyUSB0"\nnumbers = ["0961"]\n{modem}'
    )
    path.write_text(text.replace('numbers = ["0961"]\n', "") if "numbers" in modem else text)
    status, out, _ = run(capsys, "config", "check", path)
    told = [line for line in out.splitlines() if said in line]
    assert status == 0 and len(told) == 1 and told[0].startswith(f"WARNING  {path}: ")


def test_check_tells_every_fault_at_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(
        GOOD.replace("[outbound]", '[outbound]\nretry_min_s = 0\nsmarthots = "x"')
        + '[relay]\nnetworks = ["0.0.0.0/0"]\n[smtp]\nmax_connections = "many"\n'
    )
    status, out, err = run(capsys, "config", "check", path)
    assert (status, err) == (1, "")
    assert [line.split(": ")[0] for line in out.splitlines()] == [f"FAULT    {path}"] * 4
    for words in (
        "outbound.retry_min_s = 0",
        "from 1 to 86400 seconds",
        "Did you mean outbound.smarthost?",
        "0.0.0.0/0",
        'smtp.max_connections = "many"',
    ):
        assert words in out


def test_check_no_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "config", "check", path.with_name("gone"))
    assert (status, out) == (2, "")
    assert "There is no configuration file" in err


def test_show(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--config", path, "config", "show")
    assert status == 0
    assert 'password = "(set, not shown)"' in out and 'user = "clinic"' in out
    assert "max_connections" not in out
    assert "max_connections = 100" in run(capsys, "--config", path, "config", "show", "--all")[1]


def test_show_of_a_faulty_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("[station]\n")
    status, out, err = run(capsys, "--config", path, "config", "show")
    assert (status, out) == (1, "")
    assert "station.hostname is missing" in err and "station.domains is missing" in err


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "config", "explain", "smtp.max_connections")
    assert status == 0
    assert "smtp.max_connections" in out and "from 1 to 2000" in out and "Default: 100" in out
    everything = run(capsys, "config", "explain")[1]
    assert [line.split()[0] for line in everything.splitlines()] == [field.key for field in all_fields()]


def test_explain_takes_a_section_and_a_position_in_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "explain", "retention"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("retention: ") and "retention.history_days" in out
    assert main(["config", "explain", "schedule.entry[1].at"]) == 0
    assert capsys.readouterr().out.startswith("schedule.entry.at\n")


@pytest.mark.parametrize("name", ["x" * 5000, "x/" * 3000 + "x", "/proc/x", "/dev/null/x"])
def test_init_where_no_file_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["config", "init", name]) == 1
    assert "can't be written: " in capsys.readouterr().err


def test_explain_nothing_known(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "config", "explain", "smtp.max_conections")
    assert status == 1 and "Did you mean smtp.max_connections" in err


def test_init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new.toml"
    assert run(capsys, "config", "init", path)[0] == 0
    assert run(capsys, "config", "check", path)[0] == 0
    before = path.read_text()
    status, _, err = run(capsys, "config", "init", path)
    assert (status, path.read_text()) == (1, before) and "already exists" in err


def test_not_understood(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["config", "frobnicate"])
    assert caught.value.code == 2
