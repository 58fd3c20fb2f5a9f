"""The daemon's process over its real control socket: set-up, commits taken live, rolled back, and kept."""

import asyncio
import contextlib
import fcntl
import os
import signal
import smtplib
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dialpost import process
from dialpost.core.call_reason import CallReason
from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.errors import AlreadyRunningError, ControlError
from dialpost.core.line.call.states import CallState
from dialpost.daemon import Daemon, SetUp
from dialpost.edge.control_socket import ControlClient, ControlConnection
from dialpost.edge.mail.listeners import ListenError
from dialpost.station import Station
from fakes import FakeLink, leap
from known import known
from quick_start import QuickPopen, quick_run

TEXT = """\
# Our station.
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

[relay]
networks = ["127.0.0.1/32"]

[outbound]
user = "clinic"
password = "geheim"

[link]
kind = "gateway"
"""


def text_in(folder: Path) -> str:
    return TEXT.format(folder=folder)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    (tmp_path / "dialpost.toml").write_text(text_in(tmp_path))
    made = Daemon(tmp_path / "dialpost.toml")
    await made.start()
    yield made
    await made.stop()


class Face:
    """A session over the real socket, asked from the test's loop."""

    def __init__(self, folder: Path) -> None:
        self.talk = ControlConnection(folder / "run" / "control.sock", 60)
        self.opened: dict[str, Any] = {}

    @classmethod
    async def open(cls, folder: Path, who: str = "anna") -> "Face":
        face = await asyncio.to_thread(cls, folder)
        face.opened = await face("config.open", who=who)
        return face

    async def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: self.talk.call(method, **params))

    async def set(self, key: str, value: str) -> dict[str, Any]:
        return await self("config.set", key=key, value=value)

    def close(self) -> None:
        self.talk.close()


async def until(condition: Callable[..., Any]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.01)  # what is waited for happens in another process or on the disk


def mx_port(daemon: Daemon) -> int:
    return known(daemon.station).doors[0][2]


def noop(port: int) -> int:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        return client.noop()[0]


async def test_a_commit_is_taken_live_and_is_on_the_card(daemon: Daemon, tmp_path: Path) -> None:
    face = await Face.open(tmp_path)
    assert face.opened == {"session": 1, "number": 1, "mode": "running", "problems": [], "others": []}
    assert (await face.set("smtp.max_recipients", "600"))["lines"] == ["+ smtp.max_recipients = 600"]
    assert (await face("config.compare"))["lines"] == ["+ smtp.max_recipients = 600"]
    assert (await face("config.check"))["problems"] == []
    port = mx_port(daemon)
    done = await face("config.commit", comment="more at once")
    assert done["number"] == 2
    assert (known(daemon.station).config.smtp.max_recipients, mx_port(daemon)) == (600, port)
    on_card = (tmp_path / "dialpost.toml").read_text()
    assert on_card.partition("\n")[2] == text_in(tmp_path).replace(
        "disk_reserve_bytes = 0\n", "disk_reserve_bytes = 0\nmax_recipients = 600\n"
    )
    commits = (await face("config.history"))["commits"]
    assert [(one["number"], one["who"], one["comment"]) for one in commits] == [
        (2, "anna", "more at once"),
        (1, "an editor", ""),
    ]
    assert (await face("status"))["mode"] == "running"
    face.close()


async def test_secrets_come_back_only_for_saving(daemon: Daemon, tmp_path: Path) -> None:
    face = await Face.open(tmp_path)
    answers = [
        await face("config.show"),
        await face("config.show", key="outbound", all=True),
        await face("config.text"),
        await face.set("outbound.password", "geheim2"),
        await face("config.compare"),
    ]
    assert "geheim" not in repr(answers)
    assert "geheim2" in (await face("config.text", secrets=True))["text"]
    shown = await face("config.text")
    assert (await face("config.load", text=shown["text"])) == {"loaded": True, "problems": [], "changed": True}
    assert "geheim2" in (await face("config.text", secrets=True))["text"]
    face.close()


async def test_an_unconfirmed_commit_reverts_live(daemon: Daemon, tmp_path: Path) -> None:
    face = await Face.open(tmp_path)
    await face.set("station.hostname", "mx.clinic.example")
    done = await face("config.commit", confirm_min=0.01)
    assert (done["number"], done["needs_confirm_s"]) == (2, pytest.approx(0.6))
    assert known(daemon.config).station.hostname == "mx.clinic.example"

    async def reverted() -> bool:
        return daemon.config is not None and daemon.config.station.hostname == "mail.clinic.example"

    await until(reverted)
    assert 'hostname = "mail.clinic.example"' in (tmp_path / "dialpost.toml").read_text()
    notices = (await face("config.notices"))["notices"]
    assert "Configuration 2 was rolled back: it was not confirmed in time." in notices[-1]
    assert "not confirmed in time" in " ".join((await face("status"))["attention"])
    with pytest.raises(ControlError, match="No commit is waiting"):
        await face("config.confirm")
    face.close()


async def test_a_confirmed_commit_stays(daemon: Daemon, tmp_path: Path) -> None:
    face = await Face.open(tmp_path)
    await face.set("station.hostname", "mx.clinic.example")
    await face("config.commit", confirm_min=5)
    assert (await face("config.notices"))["revert_is_mine"]
    assert await face("config.confirm") == {"number": 2, "changed": False}
    face.close()
    again = await Face.open(tmp_path)
    assert (await again("config.notices"))["revert_in_s"] is None
    assert again.opened["number"] == 2 and known(daemon.config).station.hostname == "mx.clinic.example"
    again.close()


async def test_a_session_that_drops_reverts_at_once(daemon: Daemon, tmp_path: Path) -> None:
    face, other = await Face.open(tmp_path), await Face.open(tmp_path, "bruno")
    await face.set("station.hostname", "mx.clinic.example")
    await face("config.commit", confirm_min=60)
    with pytest.raises(ControlError, match="only in the session that committed it"):
        await other("config.confirm")
    face.close()

    async def told() -> bool:
        return any("rolled back" in notice for notice in (await other("config.notices"))["notices"])

    await until(told)
    assert known(daemon.config).station.hostname == "mail.clinic.example"
    other.close()


async def test_what_was_not_confirmed_before_the_power_went_is_reverted_before_anything_is_served(
    daemon: Daemon, tmp_path: Path
) -> None:
    face = await Face.open(tmp_path)
    await face.set("station.hostname", "mx.clinic.example")
    await face("config.commit", confirm_min=60)
    await daemon.stop()  # the mark on the card is what a power cut leaves as well
    face.close()
    again = Daemon(tmp_path / "dialpost.toml")
    await again.start()
    assert known(again.config).station.hostname == "mail.clinic.example"
    assert "Configuration 2 was not confirmed" in known(again.station).attention()[0]
    await again.stop()
    third = Daemon(tmp_path / "dialpost.toml")
    await third.start()
    assert known(third.config).station.hostname == "mail.clinic.example"
    assert not any("confirmed" in words for words in known(third.station).attention())
    await third.stop()


async def test_two_sessions_see_each_other_and_the_second_commit_is_reported_what_to_do(
    daemon: Daemon, tmp_path: Path
) -> None:
    anna, bruno = await Face.open(tmp_path), await Face.open(tmp_path, "bruno")
    assert [one["who"] for one in bruno.opened["others"]] == ["anna"]
    await anna.set("smtp.max_recipients", "600")
    await anna.set("smtp.max_errors", "30")
    await bruno.set("smtp.max_recipients", "700")
    await bruno.set("retention.history_days", "30")
    assert [(one["who"], one["changes"]) for one in (await bruno("config.notices"))["others"]] == [("anna", 2)]
    await anna("config.commit")
    with pytest.raises(ControlError, match="anna committed configuration 2 meanwhile") as caught:
        await bruno("config.commit")
    assert caught.value.kind == "StaleError" and "rebase" in str(caught.value)
    assert await bruno("config.rebase") == {"number": 2, "conflicts": ["smtp.max_recipients"], "changed": True}
    assert (await bruno("config.compare"))["lines"] == [
        "- smtp.max_recipients = 600",
        "+ smtp.max_recipients = 700",
        "+ retention.history_days = 30",
    ]
    await bruno("config.commit")
    assert (known(daemon.config).smtp.max_recipients, known(daemon.config).smtp.max_errors) == (700, 30)
    assert "Configuration 3 was committed by bruno." in (await anna("config.notices"))["notices"]
    anna.close()
    bruno.close()


async def test_a_port_that_is_taken_changes_nothing(daemon: Daemon, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        face = await Face.open(tmp_path)
        await face.set("smtp.listen", f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ControlError, match=r"no longer reachable at 127\.0\.0\.1:0") as caught:
            await face("config.commit")
        assert caught.value.kind == "WarnFirstError"
        with pytest.raises(ControlError, match="another program has port"):
            await face("config.commit", anyway=True)
        face.close()
    assert known(daemon.config).smtp.listen == ("127.0.0.1:0",)
    assert (tmp_path / "dialpost.toml").read_text() == text_in(tmp_path)


async def test_a_station_that_does_not_start_is_rolled_back_and_the_reason_told(
    daemon: Daemon, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    face = await Face.open(tmp_path)
    await face.set("station.data_dir", f"{tmp_path}/file")
    with pytest.raises(ControlError, match=r"rolled back(.|\n)*data directory(.|\n)*Configuration 1 is active"):
        await face("config.commit", anyway=True)
    face.close()
    assert known(daemon.config).station.data_dir == f"{tmp_path}/data"
    assert await asyncio.to_thread(noop, mx_port(daemon)) == 250
    assert f'data_dir = "{tmp_path}/data"' in (tmp_path / "dialpost.toml").read_text()


async def test_what_is_odd_in_the_configuration_is_said_once_and_only_of_a_station_that_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A start that fails has one thing to say; two warnings, twice each, hid it."""
    odd = text_in(tmp_path).replace("[outbound]\n", '[outbound]\nsmarthost = "127.0.0.1"\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "dialpost.toml").write_text(odd.replace('["127.0.0.1:0"]', f'["127.0.0.1:{port}"]', 1))
        daemon = Daemon(tmp_path / "dialpost.toml")
        with pytest.raises(ListenError, match="another program has port"):
            await daemon.start()
        assert "this machine itself" not in caplog.text
    (tmp_path / "dialpost.toml").write_text(odd)  # the freed port may be somebody else's by now
    await daemon.start()
    assert caplog.text.count("this machine itself") == 1
    await daemon.stop()


async def test_from_nothing_to_a_running_station_in_one_process(tmp_path: Path) -> None:
    first = text_in(tmp_path).replace('hostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n', "")
    daemon = Daemon(tmp_path / "dialpost.toml", set_up=SetUp(first=first, run_dir=str(tmp_path / "run")))
    await daemon.start()
    face = await Face.open(tmp_path)
    assert (face.opened["mode"], face.opened["number"]) == ("set-up", 0)
    assert "set up" in (await face("status"))["words"]
    assert "station.hostname is missing" in (await face("config.check"))["problems"][0]
    await face.set("station.hostname", "mail.clinic.example")
    await face.set("station.domains", "clinic.example")
    assert (await face("config.commit"))["number"] == 1
    assert (await face("status"))["hostname"] == "mail.clinic.example"
    assert await asyncio.to_thread(noop, mx_port(daemon)) == 250
    face.close()
    await daemon.stop()


async def test_a_file_that_cannot_be_read_is_repaired_over_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "dialpost.toml"
    path.write_text(text_in(tmp_path).replace("disk_reserve_bytes = 0", 'disk_reserve_bytes = "x"\nfoo = 1'))
    daemon = Daemon(path)
    await daemon.start()
    face = await Face.open(tmp_path)
    assert face.opened["mode"] == "unreadable"
    assert [problem.partition("smtp.")[2][:8] for problem in face.opened["problems"]] == ["foo. Did", "disk_res"]
    await face("config.unset", key="smtp.foo")
    await face.set("smtp.disk_reserve_bytes", "0")
    assert (await face("config.commit"))["number"] == 2
    assert (await face("status"))["mode"] == "running"
    face.close()
    await daemon.stop()


async def test_a_file_that_is_no_toml_any_more_does_not_stop_the_mail(tmp_path: Path) -> None:
    path = tmp_path / "dialpost.toml"
    path.write_text(text_in(tmp_path))
    daemon = Daemon(path)
    await daemon.start()
    face = await Face.open(tmp_path)
    await face.set("smtp.max_errors", "30")
    await face("config.commit")
    face.close()
    await daemon.stop()
    spoilt = path.read_text() + "[broken\n"
    path.write_text(spoilt)
    daemon = Daemon(path)
    await daemon.start()
    face = await Face.open(tmp_path)
    assert await asyncio.to_thread(noop, mx_port(daemon)) == 250
    assert (face.opened["mode"], known(daemon.config).smtp.max_errors) == ("running", 30)
    (told,) = [words for words in (await face("status"))["attention"] if "is now active" in words]
    assert "not TOML" in told and "Configuration 2, the newest usable one" in told
    assert (tmp_path / "dialpost.toml.spoilt-1").read_text() == spoilt
    assert [one["number"] for one in (await face("config.history"))["commits"]] == [2, 1]
    await face.set("smtp.max_errors", "31")
    assert (await face("config.commit"))["number"] == 3
    face.close()
    await daemon.stop()


async def test_history_and_rollback_help_where_nothing_can_stand_in(tmp_path: Path) -> None:
    path = tmp_path / "dialpost.toml"
    path.write_text(text_in(tmp_path) + "[broken\n")
    daemon = Daemon(path)
    await daemon.start()
    face = await Face.open(tmp_path)
    assert face.opened["mode"] == "unreadable" and "not TOML" in face.opened["problems"][0]
    assert [one["number"] for one in (await face("config.history"))["commits"]] == [1]
    face.close()
    await daemon.stop()


async def test_a_face_may_think_longer_than_a_minute(daemon: Daemon, tmp_path: Path) -> None:
    face = await Face.open(tmp_path)
    silent = await asyncio.to_thread(ControlConnection, tmp_path / "run" / "control.sock", 60)
    assert await asyncio.to_thread(silent.call, "status")  # the server has it, and waits for its next request
    leap(61)
    assert b"No whole request came" in await asyncio.to_thread(silent._stream.readline)
    assert await asyncio.to_thread(silent._stream.readline) == b""  # one without a session is closed
    assert (await face("config.check"))["problems"] == []
    silent.close()
    face.close()


async def test_sighup_reads_the_file_again(daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "dialpost.toml"
    path.write_text(text_in(tmp_path).replace("mail.clinic", "mx.clinic"))
    daemon.reload()

    async def taken() -> bool:
        return daemon.config is not None and daemon.config.station.hostname == "mx.clinic.example"

    await until(taken)
    path.write_text("[broken")
    daemon.reload()
    await asyncio.gather(*daemon._reloads)
    assert known(daemon.config).station.hostname == "mx.clinic.example"


def test_the_real_process_waits_for_set_up_and_ends_on_request(tmp_path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        environ = {
            **os.environ,
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "DIALPOST_RUN_DIR": str(tmp_path / "run"),
        }
        command = [sys.executable, "-m", "dialpost", "--config", str(tmp_path / "none.toml")]
        with QuickPopen([*command, "daemon"], env=environ, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert notify.recv(1000) == b"READY=1\nSTATUS=waits to be set up"
                status = quick_run([*command, "status"], env=environ, text=True, timeout=60)
                assert (status.returncode, status.stderr) == (3, "")
                assert "waits to be set up" in status.stdout
            finally:
                process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


async def test_a_second_daemon_is_told_that_dialpost_runs_and_touches_nothing(
    daemon: Daemon, tmp_path: Path
) -> None:
    """A commit waiting for its confirmation stays active: only the first daemon may roll it back."""
    face = await Face.open(tmp_path)
    await face.set("station.hostname", "mx.clinic.example")
    await face("config.commit", confirm_min=60)
    before = (tmp_path / "dialpost.toml").read_text()
    assert "mx.clinic.example" in before
    with pytest.raises(ControlError, match=r"^Dialpost is already running: it answers at .*control\.sock\."):
        await Daemon(tmp_path / "dialpost.toml").start()
    assert (tmp_path / "dialpost.toml").read_text() == before
    assert known(daemon.config).station.hostname == "mx.clinic.example"
    face.close()


async def test_a_second_daemon_with_another_socket_is_reported_who_has_the_port(
    daemon: Daemon, tmp_path: Path
) -> None:
    port = mx_port(daemon)
    second = text_in(tmp_path).replace(f'"{tmp_path}/run"', f'"{tmp_path}/other"')
    second = second.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1)
    (tmp_path / "second.toml").write_text(second)
    with pytest.raises(AlreadyRunningError, match=rf"^Another Dialpost \(process {os.getpid()}\) is using"):
        await Daemon(tmp_path / "second.toml").start()


async def test_sighup_during_the_start_is_answered_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default it would end the process."""
    ended, reloaded = [], []

    class Starting:
        config = None

        def __init__(self, path: Path, **_: object) -> None:
            self.failed = asyncio.Event()

        def make_room(self) -> None:
            pass

        async def start(self, inherited: object) -> None:
            os.kill(os.getpid(), signal.SIGHUP)

        def reload(self) -> None:
            reloaded.append(True)
            self.failed.set()

        async def stop(self) -> None:
            pass

    monkeypatch.setattr(process, "Daemon", Starting)
    loop = asyncio.get_running_loop()
    before = signal.signal(signal.SIGHUP, lambda *_: ended.append(True))
    try:
        assert await asyncio.wait_for(process.run(tmp_path / "none.toml", SetUp()), 60) == 1
    finally:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        loop.set_exception_handler(None)
        signal.signal(signal.SIGHUP, before)
    assert (ended, reloaded) == ([], [True])


def test_a_reader_of_the_log_that_stands_still_stops_neither_mail_nor_the_end(tmp_path: Path) -> None:
    path = tmp_path / "dialpost.toml"
    path.write_text(text_in(tmp_path))
    reading, writing = os.pipe()  # nobody reads
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)  # some forty lines
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        command = [sys.executable, "-m", "dialpost", "--config", str(path), "daemon"]
        with QuickPopen(command, env=environ, stderr=writing) as process:
            try:
                assert notify.recv(1000).startswith(b"READY=1")
                face = ControlClient(tmp_path / "run" / "control.sock", 60)
                port = int(face.call("status")["doors"][0].rpartition(":")[2])
                with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
                    for number in range(100):
                        client.sendmail("a@clinic.example", [f"{number}@far.example"], b"Subject: x\n\nhello\n")
                assert face.call("status")["queue"]["waiting_remote"] == 100
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0
            finally:
                process.kill()
    os.close(reading)
    os.close(writing)


def test_the_text_above_is_a_candidate_that_needs_no_mending(tmp_path: Path) -> None:
    assert Candidate(text_in(tmp_path)).problems() == ()


async def test_nothing_acknowledged_is_lost_by_commits_under_load(daemon: Daemon, tmp_path: Path) -> None:
    """Four peers send without a pause while the configuration changes again and again; every "250" is counted."""
    await known(daemon.station).accounts.add("anna", "correct-horse")
    port, stop = mx_port(daemon), threading.Event()
    acknowledged: list[str] = []
    refused: list[OSError] = []

    def peer(number: int) -> None:
        serial = 0
        while not stop.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
                    for _ in range(20):
                        serial += 1
                        mark = f"{number}-{serial}"
                        client.sendmail(
                            "x@world.example", ["anna@clinic.example"], f"Subject: {mark}\r\n\r\nBody\r\n"
                        )
                        acknowledged.append(mark)
            except smtplib.SMTPException:
                continue  # 421, or cut off: not acknowledged, so it is the peer's to send again
            except ConnectionRefusedError as error:
                refused.append(error)
            except OSError:
                continue

    peers = [threading.Thread(target=peer, args=(number,)) for number in range(4)]
    for thread in peers:
        thread.start()
    face = await Face.open(tmp_path)
    for round_ in range(5):
        before = len(acknowledged)
        await until(lambda before=before: _more(acknowledged, before + 5))
        await face.set("smtp.max_recipients", str(600 + round_))
        await face("config.commit")
    stop.set()
    for thread in peers:
        await asyncio.to_thread(thread.join)
    face.close()
    assert (refused, known(daemon.config).smtp.max_recipients) == ([], 604)
    assert len(acknowledged) >= 25

    async def delivered() -> bool:
        return not (await known(daemon.station).counts()).waiting_local

    await until(delivered)
    texts = [path.read_text() for path in (known(daemon.station).mailboxes.path("anna") / "new").iterdir()]
    arrived = [text.partition("Subject: ")[2].partition("\n")[0] for text in texts]
    assert set(acknowledged) <= set(arrived)


async def _more(items: list[str], count: int) -> bool:
    return len(items) >= count


async def test_a_question_asked_while_stations_change_is_answered(daemon: Daemon, tmp_path: Path) -> None:
    face = await Face.open(tmp_path)
    answers: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        client = ControlClient(tmp_path / "run" / "control.sock", 60)
        while not stop.is_set():
            with contextlib.suppress(ControlError):  # "has taken a new configuration meanwhile": asked again
                answers.append(client.call("status")["mode"])

    asking = threading.Thread(target=ask)
    asking.start()
    for errors in (30, 31, 32):
        await face.set("smtp.max_errors", str(errors))
        await face("config.commit")
    stop.set()
    await asyncio.to_thread(asking.join)
    face.close()
    assert answers and set(answers) == {"running"}


async def test_the_process_killed_before_the_confirmation_comes_up_with_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "dialpost.toml"
    path.write_text(text_in(tmp_path))
    command = [sys.executable, "-m", "dialpost", "--config", str(path), "daemon"]

    def start() -> subprocess.Popen[str]:
        return QuickPopen(command, stderr=subprocess.PIPE, text=True)

    process = start()
    try:
        await until(lambda: asyncio.to_thread(ControlClient(tmp_path / "run" / "control.sock").available))
        face = await Face.open(tmp_path)
        await face.set("station.hostname", "mx.clinic.example")
        await face("config.commit", confirm_min=60)
        process.kill()
        await asyncio.to_thread(process.communicate)
        assert "mx.clinic.example" in path.read_text()
        face.close()
        process = start()
        await until(lambda: asyncio.to_thread(ControlClient(tmp_path / "run" / "control.sock").available))
        status = await asyncio.to_thread(ControlClient(tmp_path / "run" / "control.sock").call, "status")
        assert status["hostname"] == "mail.clinic.example"
        assert any("was not confirmed" in words for words in status["attention"])
        process.terminate()
        _, log = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0
        assert log.index("was not confirmed") < log.index("listening door=smtp")
    finally:
        process.kill()


async def test_a_call_under_way_is_not_disturbed_and_the_answer_says_so(tmp_path: Path) -> None:
    text = text_in(tmp_path).replace('kind = "gateway"', 'kind = "dialup-gateway"')
    (tmp_path / "dialpost.toml").write_text(text + '[etrn]\nuse = "never"\n[call]\nredial_attempts = 0\n')
    link = FakeLink(dial_s=0.01)
    link.negotiate_s = link.hang_up_s = 0.01
    daemon = Daemon(tmp_path / "dialpost.toml", make_station=partial(Station, link=link))
    await daemon.start()
    on_line, station = asyncio.Event(), daemon.station
    assert station is not None
    station.calls.subscribe(lambda words: on_line.set() if words == "on line" else None)
    station.calls.request(CallReason.BUTTON)
    await asyncio.wait_for(on_line.wait(), 60)
    face = await Face.open(tmp_path)
    await face.set("call.redial_attempts", "2")
    await face.set("smtp.max_errors", "30")
    done = await face("config.commit")
    assert done["words"][:2] == [
        "Takes effect on the next call: call.redial_attempts.",
        "Takes effect when the current call ends: smtp.max_errors.",
    ]
    assert daemon.station is station and station.calls.state is CallState.ONLINE
    station.calls.cancel(at_once=True)

    async def taken() -> bool:
        return daemon.config is not None and daemon.config.smtp.max_errors == 30

    await until(taken)
    assert daemon.station is not station
    [call] = await known(daemon.station).store.calls(10)
    assert call["result"] == "connected"  # its record is kept
    face.close()
    await daemon.stop()


async def test_twenty_changes_leave_nothing_open(daemon: Daemon) -> None:
    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    for errors in range(30, 50):
        await daemon.take(Candidate(daemon.file.read()).set("smtp.max_errors", str(errors)).config())
        if errors == 32:
            before = held()
    descriptors, threads = held()
    assert descriptors <= before[0] + 2 and threads <= before[1] + 8  # the pool of threads may still grow
