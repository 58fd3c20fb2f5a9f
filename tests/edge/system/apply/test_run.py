"""Applying a configuration under a throw-away root: what is written, told, refused, and left by a power cut."""

import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialpost.core.config.applied import ApplyResult
from dialpost.core.config.fields import all_fields
from dialpost.core.config.text import parse_config
from dialpost.core.system.apply.rendered import (
    CHRONY,
    DOVECOT,
    FIREWALL,
    HOSTNAME,
    LOCALTIME,
    NETWORK,
    PLACES,
    RESULT,
    STATE,
    Rendered,
)
from dialpost.edge.system.apply import Place, apply, preview
from dialpost.edge.system.apply.services import CommandError, Service
from fuzzing import SLOW_IS_NO_FAULT
from known import is_a, known

CONFIG = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
OTHER = CONFIG + '[lan]\nmethod = "static"\naddress = "192.168.7.1/24"\nservices = []\n'


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root = tmp_path / "root"
    root.mkdir()
    return Place(root)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "dialpost.toml"
    path.write_text(CONFIG)
    return path


def tree(root: Path) -> dict[str, tuple[str, bytes | Path | str, int]]:
    """Everything under a folder: kind, mode, content, and which file it is (a rewrite makes another)."""
    found = {}
    for path in sorted(root.rglob("*")):
        there = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        found["/" + str(path.relative_to(root))] = (stat.filemode(there.st_mode), content, there.st_ino)
    return found


def written(place: Place) -> list[str]:
    return [path for path, (mode, _, _) in tree(place.root).items() if not mode.startswith("d")]


def test_every_file_is_written_and_a_second_run_writes_nothing(place: Place, source: Path) -> None:
    first = apply(source, place)
    assert first == ApplyResult(applied=True, changed=PLACES)
    assert written(place) == sorted([*PLACES, RESULT])
    before = tree(place.root)
    assert apply(source, place) == ApplyResult(applied=True)
    after = tree(place.root)
    assert {path: value for path, value in after.items() if path != RESULT} == {
        path: value for path, value in before.items() if path != RESULT
    }
    assert ApplyResult.from_json(known(place.read(RESULT))) == ApplyResult(applied=True)


def test_only_what_differs_is_written_and_what_is_not_wanted_is_taken_away(place: Place, source: Path) -> None:
    apply(source, place)
    source.write_text(OTHER)
    assert apply(source, place).changed == (FIREWALL, NETWORK, DOVECOT)
    assert place.read(DOVECOT) is None
    source.write_text(CONFIG)
    assert apply(source, place).changed == (FIREWALL, NETWORK, DOVECOT)


def test_another_name_means_another_certificate_so_dovecot_is_told(place: Place, source: Path) -> None:
    apply(source, place)
    source.write_text(CONFIG.replace("mail.", "post."))
    assert set(apply(source, place).changed) >= {HOSTNAME, DOVECOT}


def test_a_file_somebody_changed_is_put_right(place: Place, source: Path) -> None:
    apply(source, place)
    place.shown(NETWORK).chmod(0o666)
    place.shown(HOSTNAME).write_text("evil\n")
    place.shown(LOCALTIME).unlink()
    place.shown(LOCALTIME).symlink_to("/etc/shadow")
    assert apply(source, place).changed == (NETWORK, HOSTNAME, LOCALTIME)


def test_the_preview_is_a_diff_and_writes_nothing(place: Place, source: Path) -> None:
    before = tree(place.root)
    lines = preview(parse_config(CONFIG), place)
    assert tree(place.root) == before
    assert [line for line in lines if line.startswith("+++ ")] == [f"+++ {path}" for path in PLACES]
    apply(source, place)
    assert preview(parse_config(CONFIG), place) == []
    lines = preview(parse_config(OTHER), place)
    assert "+Address=192.168.7.1/24" in lines and "-Address=192.168.216.25/24" in lines
    assert f"--- {DOVECOT}" in lines and "+++ /dev/null" in lines


# -- hostile ground ---------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["run", "run/dialpost-apply", "run/systemd", "run/systemd/network"])
def test_a_link_on_the_way_leads_nowhere(place: Place, source: Path, tmp_path: Path, folder: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = place.root / folder
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)
    try:
        result = apply(source, place)
        assert not result.applied and "can't be written" in result.problems[0]
    except OSError:  # not even the result could be written
        assert folder in {"run", "run/dialpost-apply"}
    assert list(elsewhere.iterdir()) == []


def test_links_in_place_of_files_are_replaced_not_followed(place: Place, source: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for path in (*PLACES, RESULT, STATE):
        place.shown(path).parent.mkdir(parents=True, exist_ok=True)
        place.shown(path).symlink_to(victim)
        place.shown(path).with_name(f".{Path(path).name}.new").symlink_to(victim)
    assert apply(source, place).applied
    assert victim.read_text() == "precious"
    links = [path for path in written(place) if place.shown(path).is_symlink()]
    assert [path for path in links if path in PLACES] == [LOCALTIME]


def test_a_folder_in_place_of_a_file_is_reported_and_the_rest_is_done(place: Place, source: Path) -> None:
    place.shown(NETWORK).mkdir(parents=True)
    result = apply(source, place)
    assert not result.applied
    assert [problem.partition(" can't")[0] for problem in result.problems] == [NETWORK]
    assert set(result.changed) == set(PLACES) - {NETWORK}


def _link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_link, "can't be read"),
        (_fifo, "is a link or not a regular file"),
        (lambda path: path.with_name("second").hardlink_to(path), "is a link or not a regular file"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not UTF-8"),
        (lambda path: path.write_bytes(b"#" * 1_000_001), "larger than a megabyte"),
        (lambda path: path.write_text("[station"), "this is not TOML"),
        (lambda path: path.write_text(CONFIG + '[lan]\ninterface = "eth0\\n[Match]"\n'), "lan.interface"),
        (lambda path: path.write_text(CONFIG + 'data_dir = "/x y{"\n'), "no path"),
    ],
)
def test_a_file_that_is_not_to_be_trusted_changes_nothing(
    place: Place, source: Path, spoil: Callable[..., Any], said: str
) -> None:
    apply(source, place, [Service(HOSTNAME, "the host name", lambda there: None)])
    before = tree(place.root)
    spoil(source)
    result = apply(source, place, [])
    assert not result.applied and said in " ".join(result.problems), result
    assert {k: v for k, v in tree(place.root).items() if k != RESULT} == {
        k: v for k, v in before.items() if k != RESULT
    }


def test_at_boot_a_broken_file_still_leaves_a_station_that_can_be_reached(place: Place, source: Path) -> None:
    source.write_text("[station")
    result = apply(source, place)
    assert not result.applied and "not TOML" in result.problems[0]
    assert set(result.changed) == set(PLACES) - {DOVECOT}
    assert "Address=192.168.216.25/24" in known(place.read(NETWORK))


UNREADABLE = [
    pytest.param("x = " + "[" * 50_000 + "]" * 50_000, id="50,000 brackets"),
    pytest.param("a" + ".a" * 50_000 + " = 1", id="a key of 50,000 parts"),
    pytest.param("x = " + "9" * 5_000, id="a number of 5,000 digits"),
    pytest.param(CONFIG + "[budget]\nday_limit_min = 18446744073709551616\n", id="a number of 65 bits"),
    pytest.param(CONFIG + 'data_dir = "/x y{"\n', id="a path root does not write"),
    pytest.param("[station", id="half a line"),
    pytest.param("\udcff".encode("utf-8", "surrogatepass"), id="no UTF-8"),
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_at_boot_the_newest_good_configuration_stands_in_for_an_unreadable_one(
    place: Place, source: Path, text: bytes | str
) -> None:
    history = source.with_name(source.name + ".history")
    history.mkdir()
    (history / "0002.toml").write_text(CONFIG + '[lan]\nmethod = "static"\naddress = "192.168.9.1/24"\n')
    (history / "0011.toml").write_text(OTHER)
    (history / "0012.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = apply(source, place)
    assert not result.applied and "Configuration 11" in result.problems[-1], result.problems
    assert "192.168.7.1/24" in known(place.read(NETWORK)) and place.read(FIREWALL)


@pytest.mark.parametrize("text", UNREADABLE)
def test_at_boot_without_a_good_one_there_is_a_firewall_all_the_same(
    place: Place, source: Path, text: bytes | str
) -> None:
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = apply(source, place)
    assert not result.applied and "those of a new station" in result.problems[-1]
    assert FIREWALL in result.changed and NETWORK in result.changed


def test_before_the_first_configuration_there_is_no_problem(place: Place, tmp_path: Path) -> None:
    result = apply(tmp_path / "none.toml", place)
    assert result == ApplyResult(applied=True, changed=tuple(path for path in PLACES if path != DOVECOT))


ANY_KEY = st.sampled_from([field.key for field in all_fields() if field.item_class is None])
ANY_TEXT = st.one_of(
    st.text(max_size=30), st.sampled_from(["/etc/passwd", "../../etc/passwd", "/run/x\n", "eth0; reboot", "$(id)"])
)


@given(st.dictionaries(ANY_KEY, ANY_TEXT, max_size=6))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[*SLOW_IS_NO_FAULT, HealthCheck.function_scoped_fixture]
)
def test_whatever_the_file_says_nothing_but_our_places_is_touched(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    source, place = folder / "dialpost.toml", Place(folder / "root")
    (place.root / "etc").mkdir(parents=True)
    (place.root / "etc" / "passwd").write_text("precious")
    tables: dict[str, dict[str, Any]] = {
        "station": {"hostname": "mail.clinic.example", "domains": ["clinic.example"]}
    }
    for key, text in values.items():
        section, _, name = key.rpartition(".")
        tables.setdefault(section.partition(".")[0], {})[name] = text
    lines = [
        f"[{name}]\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in keys.items()) for name, keys in tables.items()
    ]
    source.write_text("".join(lines))
    apply(source, place)
    assert set(written(place)) <= {*PLACES, RESULT, STATE, "/etc/passwd"}
    assert (place.root / "etc" / "passwd").read_text() == "precious"


def _lines(keys: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {_toml(value)}\n" for name, value in keys.items())


def _toml(value: list[str] | str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# -- telling the services ---------------------------------------------------------------------------


class Told:
    """Services that write down what they hear; those in `broken` fail, those in `forgetful` lost it."""

    def __init__(self) -> None:
        self.log: list[tuple[str, bool]] = []
        self.broken: set[object] = set()
        self.forgetful: set[object] = set()
        self.services = [self._service(path) for path in PLACES]

    def _service(self, path: str) -> Service:
        def tell(there: bool) -> None:
            if path in self.broken:
                raise CommandError("no")
            self.log.append((path, there))

        return Service(path, f"what {path} is for", tell, lambda: path in self.forgetful)

    def new(self) -> list[tuple[str, bool]]:
        new, self.log = self.log, []
        return new


def test_services_are_told_once_in_order_and_of_changes_only(place: Place, source: Path) -> None:
    told = Told()
    result = apply(source, place, told.services)
    assert told.new() == [(path, True) for path in PLACES]
    assert result.reloaded == tuple(f"what {path} is for" for path in PLACES)
    assert apply(source, place, told.services).reloaded == () and told.new() == []
    source.write_text(OTHER)
    apply(source, place, told.services)
    assert told.new() == [(FIREWALL, True), (NETWORK, True), (DOVECOT, False)]


def test_one_that_failed_is_reported_again_and_keeps_nobody_else(place: Place, source: Path) -> None:
    told = Told()
    told.broken = {FIREWALL}
    result = apply(source, place, told.services)
    assert result.problems == (f"What {FIREWALL} is for could not be set: no.",) and not result.applied
    assert told.new() == [(path, True) for path in PLACES if path != FIREWALL]
    told.broken = set()
    assert apply(source, place, told.services) == ApplyResult(True, reloaded=(f"what {FIREWALL} is for",))
    assert told.new() == [(FIREWALL, True)]


def test_one_that_is_optional_makes_no_start_a_bad_one(place: Place, source: Path) -> None:
    """A clock chip that lost its wire: told, tried again at the next run, and no release is rolled back for it."""
    told = Told()
    told.broken = {CHRONY}
    told.services = [replace(one, is_optional=True) if one.path == CHRONY else one for one in told.services]
    result = apply(source, place, told.services)
    assert (result.applied, result.problems) == (True, ())
    assert f"What {CHRONY} is for could not be set: no." in result.notes
    told.broken = set()
    assert apply(source, place, told.services).reloaded == (f"what {CHRONY} is for",)


def test_one_that_lost_what_it_was_told_is_reported_again(place: Place, source: Path) -> None:
    told = Told()
    apply(source, place, told.services)
    told.new()
    told.forgetful = {FIREWALL, DOVECOT}
    apply(source, place, told.services)
    assert told.new() == [(FIREWALL, True), (DOVECOT, True)]


def test_a_memory_that_cannot_be_read_tells_everybody_again(place: Place, source: Path) -> None:
    told = Told()
    apply(source, place, told.services)
    told.new()
    place.shown(STATE).write_text("[")
    apply(source, place, told.services)
    assert told.new() == [(path, True) for path in PLACES]


# -- power cuts -------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """Nothing after it happens."""


_STEPS = ("mkdir", "open", "symlink", "fchmod", "fsync", "rename", "unlink")


def _cut_at(monkeypatch: pytest.MonkeyPatch, count: int) -> list[Any]:
    """The power fails before the `count`th change of the disk; the list of those that were made."""
    made: list[object] = []
    for name in _STEPS:
        real = getattr(os, name)

        def step(*args: int | Path | str, _real: Callable[..., Any] = real, _name: str = name, **more: Any) -> Any:
            is_change = _name != "open" or is_a(int, args[1]) & os.O_CREAT
            if is_change and len(made) == count:
                raise PowerCut
            if is_change:
                made.append(_name)
            return _real(*args, **more)

        monkeypatch.setattr(os, name, step)
    return made


def test_a_power_cut_at_any_step_leaves_old_or_new_and_the_next_run_finishes(tmp_path: Path, source: Path) -> None:
    texts = {}
    for name, text in (("old", CONFIG), ("new", OTHER)):
        source.write_text(text)
        (tmp_path / name).mkdir()
        apply(source, Place(tmp_path / name))
        texts[name] = {path: Place(tmp_path / name).read(path) for path in PLACES}
    count, finished = 0, False
    while not finished:
        place, told = Place(tmp_path / f"cut{count}"), Told()
        place.root.mkdir()
        source.write_text(CONFIG)
        apply(source, place, told.services)
        told.new()
        source.write_text(OTHER)
        with pytest.MonkeyPatch.context() as patch:
            _cut_at(patch, count)
            try:
                apply(source, place, told.services)
                finished = True
            except PowerCut:
                pass
        for path in PLACES:
            assert place.read(path) in {texts["old"][path], texts["new"][path]}, (count, path)
        apply(source, place, told.services)
        assert {path: place.read(path) for path in PLACES} == texts["new"], count
        assert written(place) == sorted({path for path in PLACES if path != DOVECOT} | {RESULT, STATE}), count
        assert {FIREWALL, NETWORK, DOVECOT} <= {path for path, _ in told.log}, count
        count += 1
    assert count > 20


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_folder_after(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _cut_at(monkeypatch, -1)
    place.write(Rendered(HOSTNAME, "mail\n"))
    assert made[-5:] == ["open", "fchmod", "fsync", "rename", "fsync"]
