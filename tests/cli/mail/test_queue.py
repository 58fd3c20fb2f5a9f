"""`dialpost queue` for many messages, and long lists, against the queue's own methods on a real control socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dialpost.__main__ import main
from dialpost.cli.mail import queue as face
from dialpost.cli.mail import queue_many
from dialpost.core.control import queue as api
from dialpost.core.control.local import QueueChange
from dialpost.core.control.shapes import from_json
from dialpost.core.mail.queue.records import MessageRecord, RecipientState
from dialpost.edge.control_socket import ControlClient
from dialpost.edge.control_socket.server import ControlServer
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.queue.control import QueueControl
from dialpost.flow.mail.queue.methods import queue_methods
from fakes import FakeClock, a_record, to_world
from loop_thread import LoopThread

CONFIG = """\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
data_dir = "{folder}/data"
run_dir = "{folder}"
[outbound]
via = "mx"
"""


class Daemon:
    """The queue's methods behind a control socket, in a thread of their own."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "dialpost.toml"
        self.config.write_text(CONFIG.format(folder=folder))
        self.loop = LoopThread()
        self.loop.run(self._start(folder))

    async def _start(self, folder: Path) -> None:
        self.spool = Spool(folder / "spool", 0)
        self.spool.prepare()
        self.store = await Store.open(folder / "queue.db")
        control = QueueControl(self.store, self.spool, FakeClock())
        self.server = ControlServer(folder / "control.sock", queue_methods(control))
        await self.server.start()

    async def _stop(self) -> None:
        await self.server.close()
        await self.store.close()
        self.spool.close()

    def stop(self) -> None:
        self.loop.run(self._stop())
        self.loop.stop()

    def accept(self, *senders: str) -> list[MessageRecord]:
        """A message from each."""

        async def accept() -> list[MessageRecord]:
            made = []
            for number, sender in enumerate(senders):
                message = a_record(self.store.next_id(), to_world(f"r{number}@x.example"), sender=sender, size=2000)
                self.spool.path(message.queue_id).write_bytes(b"x" * 2000)
                await self.store.accept(message)
                made.append(message)
            return made

        return self.loop.run(accept())

    def hold(self, message: MessageRecord, reason: str) -> None:
        """As the station itself does."""
        waiting, held = RecipientState.WAITING, RecipientState.HELD
        self.loop.run(self.store.set_state(message.queue_id, {waiting}, held, reason=reason))

    def states(self, made: list[MessageRecord]) -> list[str]:
        async def states() -> list[str]:
            found = [await self.store.get(message.queue_id) for message in made]
            return [recipient.state.value for message in found if message for recipient in message.recipients]

        return self.loop.run(states())


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def queue(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `dialpost queue`: exit status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["--config", str(daemon.config), "queue", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


Run = Callable[..., tuple[int, str, str]]


def test_many_are_held_released_retried_and_deleted(
    daemon: Daemon, queue: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_AT_ONCE", 2)  # several requests
    made = daemon.accept(*["eve@world.example"] * 5, "anna@clinic.example")
    assert queue("hold", "--from", "@world.example") == (0, "5 messages (5 recipients) held.\n", "")
    assert daemon.states(made) == ["held"] * 5 + ["waiting"]
    assert queue("retry", "--all")[1] == "1 message (1 recipient) made ready for the next opportunity.\n"
    assert queue("release", "--to", "r0@x.example")[1] == "1 message (1 recipient) released.\n"
    assert queue("delete", "--held", "--yes")[:2] == (0, "4 messages (4 recipients) deleted.\n")
    assert daemon.states(made) == ["waiting", *["deleted"] * 4, "waiting"]
    assert queue("delete", "--held", "--yes") == (0, "No message matches.\n", "")
    daemon.hold(made[0], "its content is missing")
    daemon.spool.path(made[0].queue_id).unlink()
    queue("hold", "--all")
    status, out, _ = queue("release", "--all")
    assert (status, out.splitlines()) == (
        0,
        [
            "1 message (1 recipient) released.",
            "1 message can't be sent, because the content is missing or damaged on the card.",
        ],
    )


def test_who_names_the_state_that_a_command_is_for_means_all(daemon: Daemon, queue: Run) -> None:
    made = daemon.accept("eve@world.example", "eve@world.example")
    assert queue("hold", "--waiting")[1] == "2 messages (2 recipients) held.\n"
    assert queue("release", "--held", "--dry-run")[1].splitlines()[-1].endswith(" match.")
    assert queue("release", "--held") == (0, "2 messages (2 recipients) released.\n", "")
    assert queue("retry", "--waiting")[0] == 0
    assert daemon.states(made) == ["waiting"] * 2


def test_what_was_done_is_there_for_scripts(daemon: Daemon, queue: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(queue_many, "_TELL_EVERY_S", 0.0)
    made = daemon.accept(*["eve@world.example"] * 3)
    first = made[0].queue_id
    for line, wanted in (
        ("hold --all --dry-run", (3, 0, 0, 0)),
        ("hold --all", (3, 3, 3, 0)),
        (f"release {first}", (1, 1, 1, 0)),
        (f"retry {first}", (1, 1, 1, 0)),
        (f"hold {first}", (1, 1, 1, 0)),
        ("retry --all", (0, 0, 0, 0)),
        (f"delete {first} --yes", (1, 1, 1, 0)),
        ("delete --all --yes", (2, 2, 2, 0)),
    ):
        status, out, err = queue(*line.split(), "--json")
        printed = from_json(QueueChange, json.loads(out))
        assert (status, err) == (0, ""), line
        assert (printed.matched, printed.messages, printed.recipients, printed.damaged) == wanted, line


def test_a_script_is_asked_nothing(daemon: Daemon, queue: Run) -> None:
    made = daemon.accept("eve@world.example")
    for which in ("--all", made[0].queue_id):
        status, out, err = queue("delete", which, "--json")
        assert (status, out) == (2, "") and "give --yes" in err
    assert daemon.states(made) == ["waiting"]


def test_a_dry_run_counts_and_shows_some(daemon: Daemon, queue: Run) -> None:
    made = daemon.accept(*["eve@world.example"] * 12)
    for action in ("hold", "retry", "delete"):
        status, out, err = queue(action, "--older-than", "1h", "--larger-than", "1k", "--dry-run")
        assert (status, err) == (0, "")
        lines = out.splitlines()
        assert [line.split()[0] for line in lines[1:-2]] == [one.queue_id for one in made[:10]]
        assert lines[-2:] == ["... and 2 more.", "12 messages (12 recipients, 24 kB) match."]
    assert daemon.states(made) == ["waiting"] * 12


def test_deleting_many_asks_first(daemon: Daemon, queue: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = daemon.accept("eve@world.example", "eve@world.example")
    status, out, err = queue("delete", "--all")
    assert status == 2 and "2 messages (2 recipients, 4.0 kB) match." in out
    assert err == "dialpost: nothing deleted; give --yes to delete without confirmation\n"
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    asked: list[str] = []
    for typed, status in (("y", 1), ("yes", 0)):
        monkeypatch.setattr("builtins.input", lambda prompt, typed=typed: asked.append(prompt) or typed)
        assert queue("delete", "--all")[0] == status
        assert daemon.states(made) == [{1: "waiting", 0: "deleted"}[status]] * 2
    assert asked[0] == "Delete 2 messages permanently, without notifying the senders? Type yes: "


def test_an_id_or_filters_but_not_both(daemon: Daemon, queue: Run) -> None:
    made = daemon.accept("a@b.example")
    for words, said in (
        (("delete",), "give either an ID, or --all or filters"),
        (("hold", "--dry-run"), "give either an ID, or --all or filters"),
        (("delete", "D0000001", "--all"), "give either an ID, or --all or filters"),
        (("release", "D0000001", "--from", "a@b.example"), "give either an ID, or --all or filters"),
        (("delete", "--yes"), "give either an ID, or --all or filters"),
        (("retry", "D0000001", "--dry-run"), "--dry-run needs --all or filters"),
        (("delete", "all", "--yes"), "all is not an ID; give --all, --from or --to"),
        (("hold", "a@b.example"), "a@b.example is not an ID; give --all, --from or --to"),
    ):
        status, out, err = queue(*words)
        assert (status, out) == (2, "") and said in err
    assert daemon.states(made) == ["waiting"]


def test_an_interrupted_change_says_how_far_it_came(
    daemon: Daemon, queue: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_AT_ONCE", 1)
    made = daemon.accept(*["eve@world.example"] * 3)
    client_ask, asked = ControlClient.ask, []

    def ask(self: ControlClient, method: Any, **given: Any) -> Any:
        asked.append(method.name)
        if len(asked) == 3:  # to match, the first change, the second
            raise KeyboardInterrupt
        return client_ask(self, method, **given)

    monkeypatch.setattr(ControlClient, "ask", ask)
    status, out, _ = queue("delete", "--all", "--yes")
    assert (status, out) == (130, "\nInterrupted: at least 1 of 3 messages deleted.\n")
    assert daemon.states(made) == ["deleted", "waiting", "waiting"]


def test_large_numbers_are_written_alike(queue: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = api.Match(messages=3332, recipients=4001, bytes=0, newest="D0000001", examples=())
    monkeypatch.setattr(ControlClient, "ask", lambda *_, **__: found)
    assert queue("retry", "--all", "--dry-run")[1].endswith("3,332 messages (4,001 recipients, 0 B) match.\n")


def test_a_bad_filter_is_refused(daemon: Daemon, queue: Run, capsys: pytest.CaptureFixture[str]) -> None:
    made = daemon.accept("a@b.example")
    status, _, err = queue("delete", "--from", "nonsense", "--yes")
    said = (
        "'nonsense' is not usable as an address: a filter is name@domain, @domain, or <> for notices of a station"
    )
    assert (status, err) == (1, f"dialpost: {said}\n")
    for option, value, said in (
        ("--older-than", "5x", "a length of time such as 45min, 12h or 5d"),
        ("--older-than", "9999999d", "a length of time"),
        ("--larger-than", "big", "a size such as 500k or 10M"),
        ("--larger-than", "9999T", "a size"),
    ):
        with pytest.raises(SystemExit):
            queue("delete", option, value, "--yes")
        assert said in capsys.readouterr().err
    assert daemon.states(made) == ["waiting"]


def test_a_long_list_comes_in_pages(daemon: Daemon, queue: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = daemon.accept("a@b.example", "a.rather.long.name@b.example", "c@b.example")
    whole = queue("list", "--json", "--offset", "1")[1]
    table = queue("list")[1]
    monkeypatch.setattr(face, "_PAGE", 1)
    assert queue("list", "--json", "--offset", "1")[1] == whole
    assert [one["queue_id"] for one in json.loads(whole)] == [one.queue_id for one in made[1:]]
    paged = queue("list")[1]
    assert [line.split() for line in paged.splitlines()] == [line.split() for line in table.splitlines()]
    assert paged.splitlines()[-1].startswith("3 messages.")
    assert json.loads(queue("list", "--json", "-n", "2")[1]) == json.loads(queue("list", "--json")[1])[:2]
    assert (queue("list", "--held", "--json")[1], queue("list", "--held")[1]) == ("[]\n", f"{face._NOTHING}\n")


def test_what_is_finished_is_not_counted(daemon: Daemon, queue: Run) -> None:
    (message,) = daemon.accept("a@b.example")
    daemon.loop.run(daemon.store.set_state(message.queue_id, {RecipientState.WAITING}, RecipientState.DELETED))
    assert queue("delete", "--all", "--dry-run") == (0, "No message matches.\n", "")
