"""Whatever fault the daemon knows of, an operator finds it where operators look, with what to do next."""

import ast
import asyncio
import contextlib
import logging
import re
import smtplib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import dialpost
from cases import cases
from dialpost.cli.line.call import call_lines
from dialpost.cli.system.status import words as status_words
from dialpost.core import logged_faults
from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import Config, LinkKind
from dialpost.core.config.text import parse_config
from dialpost.core.control.calls import SHOW
from dialpost.core.control.station import STATUS
from dialpost.core.line.call.notes import MAIL_STUCK
from dialpost.core.line.call.states import CallState
from dialpost.core.mail.session import Listener
from dialpost.edge.control_socket import ControlClient
from dialpost.edge.system.log.tail import LogTail
from dialpost.station import Station
from fakes import FakeLink
from known import known
from smtp_model import ModelServer

ROOT = Path(dialpost.__file__).parent


class Smarthost(ModelServer):
    """Refuses the login until `password` is the right one."""

    logins = 0
    password_is_right = False

    def _on_auth(self, argument: str) -> bytes:
        type(self).logins += 1
        return self._say("AUTH", argument, "235 ok" if self.password_is_right else "535 5.7.8 wrong password")


class Host:
    """A smarthost that is served: the conversations with it, and whether it finds the password right."""

    def __init__(self) -> None:
        self.right, self.port = False, 0
        self.connections: list[asyncio.StreamWriter] = []
        self.models: list[Smarthost] = []
        self.tasks: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(known(asyncio.current_task()))
        self.connections.append(writer)
        model = Smarthost(("AUTH PLAIN", "8BITMIME"))
        model.password_is_right = self.right
        self.models.append(model)
        with contextlib.suppress(ConnectionError):
            writer.write(model.greet())
            while not model.closed and (data := await reader.read(65_536)):
                writer.write(model.receive(data))
        writer.close()


@contextlib.asynccontextmanager
async def smarthost() -> AsyncIterator[Host]:
    host = Host()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        for task in host.tasks:
            task.cancel()


def config_in(folder: Path, port: int) -> Config:
    return parse_config(
        f'[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
        f'data_dir = "{folder}/data"\nrun_dir = "{folder}/run"\n'
        '[smtp]\nlisten = ["127.0.0.1:0"]\nsubmission_listen = ["127.0.0.1:0"]\n'
        'submissions_listen = ["127.0.0.1:0"]\ndisk_reserve_bytes = 0\n[link]\nkind = "gateway"\n'
        '[relay]\nnetworks = ["127.0.0.0/8"]\n'
        f'[outbound]\nsmarthost = "127.0.0.1"\nport = {port}\ntls = "none"\nauth = "plain"\nuser = "anna"\n'
        'password = "x"\n'
    )


def send(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.sendmail("anna@clinic.example", ["bob@world.example"], "Subject: hi\r\n\r\nBody\r\n")


async def until(condition: Callable[..., Any]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_refused_login_on_a_gateway_line_is_told_and_not_tried_again(tmp_path: Path) -> None:
    async with smarthost() as host:
        station = Station(config_in(tmp_path, host.port))
        await station.start()
        try:
            port = next(port for name, _, port in station.doors if name is Listener.MX)
            await asyncio.to_thread(send, port)
            await until(station.host_troubles.attention)
            client = ControlClient(tmp_path / "run" / "control.sock", 60)
            status = await asyncio.to_thread(client.ask, STATUS)
            [line] = [line for line in status_words(status) if "ATTENTION Mail for the world waits" in line]
            for told in (
                "127.0.0.1 refused the login",
                "535 5.7.8 wrong password",
                "outbound.password",
                "call now",
            ):
                assert told in line
            assert status.attention, "so the command ends with 3"
            await asyncio.to_thread(send, port)
            await until(lambda: station.panel.counted.waiting_remote == 2)
            for message in await asyncio.to_thread(client.call, "queue.list"):
                shown = await asyncio.to_thread(client.call, "queue.show", queue_id=message["queue_id"])
                assert "refused the login" in shown["recipients"][0]["words"]
            station.flush.begin_call()  # as each call does
            await station.flush.run()
            assert len(host.connections) == 1, "a refused password is not sent again by itself"
            station.calls.request(CallReason.COMMAND)
            await station.calls.finished()
            assert len(host.connections) == 2, "an operator may have it tried"
            [call] = await asyncio.to_thread(client.call, "call.history")
            shown = await asyncio.to_thread(client.ask, SHOW, number=call["number"])
            assert "refused the login (the server refused the login: 535" in "\n".join(call_lines(shown))
            host.right = True
            station.calls.request(CallReason.COMMAND)
            await until(lambda: not station.host_troubles.attention())
            assert len(host.connections) == 3
            await until(lambda: sum(len(model.delivered) for model in host.models) == 2)
            assert [one for one in station.attention() if "no account yet" not in one] == []
        finally:
            await station.stop()


LOGS = re.compile(r"maillog\s*\.\s*(fault|operator_needed)|_log\s*\.\s*(warning|error|exception)")
"""A module without these logs no fault."""


def _log_calls() -> Iterator[tuple[str, int, str, bool]]:
    """Every call that logs a WARNING or ERROR in the daemon, with the beginning of its line."""
    for path in sorted(ROOT.rglob("*.py")):
        part = path.relative_to(ROOT).parts[0]
        if part in ("cli", "sim", "__main__.py"):
            continue
        code = path.read_text()
        if not LOGS.search(code):
            continue  # parsing takes time, and each run of the tests waits for it
        for call in ast.walk(ast.parse(code)):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or not call.args:
                continue
            of = getattr(call.func.value, "id", "")
            level = {
                ("maillog", "fault"): logging.WARNING,
                ("maillog", "operator_needed"): logging.ERROR,
                ("_log", "warning"): logging.WARNING,
                ("_log", "error"): logging.ERROR,
                ("_log", "exception"): logging.ERROR,
            }.get((of, call.func.attr))
            text = _literal(call.args[0])
            if level is not None and path.name != "maillog.py":
                assert text is not None, f"{path}:{call.lineno}: a fault's line begins with a literal"
                yield f"{path.relative_to(ROOT)}:{call.lineno}", level, text, of == "maillog"


def _literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "D0000001" for one in node.values)
    return None


CALLS = list(_log_calls())


@cases("where, level, text, by_maillog", CALLS, ids=[f"{one[0]} {one[2]}" for one in CALLS])
def test_every_fault_that_is_logged_is_reported(where: str, level: int, text: str, by_maillog: bool) -> None:
    tail = LogTail()
    args: tuple[object, ...]
    message, args = ("%s %s", (text, "error=x")) if by_maillog else (text, ("it",) * text.count("%"))
    if "%.0f" in text:
        args = (1.0, "it")
    tail.emit(logging.LogRecord("dialpost", level, where, 1, message, args, None))
    [fault] = tail.faults(0.0)
    told = logged_faults.attention([fault]) if level == logging.ERROR else logged_faults.notes([fault])
    if fault.is_told_elsewhere:
        assert told == [], "not twice"
        return
    [sentence] = told
    happened, _, advice = sentence.partition(". ")
    assert happened and advice.endswith(".")


def test_what_is_reported_elsewhere_is_logged_at_all() -> None:
    logged = {logged_faults.bare(text) for _, _, text, _ in CALLS} | {
        "call: failed %s",
        "call: network ended %s",
        "etrn: %s",
    }
    assert set(logged_faults.TOLD_ELSEWHERE) <= logged


def test_faults_are_counted_and_go_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    tail = LogTail()
    for _ in range(3):
        tail.emit(
            logging.LogRecord(
                "dialpost", logging.ERROR, "x", 1, "%s %s", ("intake: the card failed", "error=x"), None
            )
        )
    [fault] = tail.faults(0.0)
    assert fault.words.startswith("intake: the card failed error=x (3 times). `dialpost doctor` looks at the card")
    assert tail.faults(fault.last_s + 1) == []
    monkeypatch.setattr("time.monotonic", lambda: fault.last_s + logged_faults.SHOWN_S + 1)
    assert tail.faults(0.0) == []


def test_many_faults_are_a_few_lines() -> None:
    faults = [logged_faults.LoggedFault(f"k{n}", f"k{n} x", True, 1, n) for n in range(20)]
    told = logged_faults.attention(faults)
    assert len(told) == logged_faults.MOST_SHOWN + 1
    assert told[-1] == "And 15 more: `log` at the console, or `journalctl -u dialpost`."


async def test_automatic_calls_for_a_host_that_refused_the_login_stop_until_its_settings_change(
    tmp_path: Path,
) -> None:
    """Over a restart, too; a call for what the provider holds is made nevertheless."""
    async with smarthost() as host:
        deaf = socket.socket()
        deaf.bind(("127.0.0.1", 0))
        gateway = config_in(tmp_path, host.port)
        config = replace(
            gateway,
            link=replace(gateway.link, kind=LinkKind.DIALUP_GATEWAY),
            etrn=replace(gateway.etrn, port=deaf.getsockname()[1]),
            budget=replace(gateway.budget, billing_step_s=1),  # no call is held for the rest of what is paid
            call=replace(gateway.call, redial_attempts=0, cooldown_s=0, grace_min_s=0.1),
        )
        changed = replace(config, outbound=replace(config.outbound, password="another"))

        async def held(config: Config, *, first: bool = False) -> str:
            station = Station(config, link=FakeLink(dial_s=0.01))
            await station.start()
            try:
                if first:
                    port = next(port for name, _, port in station.doors if name is Listener.MX)
                    await asyncio.to_thread(send, port)
                    station.calls.request(CallReason.QUEUE)
                    await until(station.host_troubles.attention)
                    await station.calls.finished()
                    await until(lambda: station.calls.state is CallState.IDLE)
                told = station.calls.request(CallReason.URGENT)
                assert sum("refused the login" in one for one in station.attention()) == told.startswith(
                    "No call now"
                )
                assert MAIL_STUCK not in station.attention()
                return told
            finally:
                await station.stop()

        assert "outbound.user, outbound.password" in await held(config, first=True)
        assert (await held(config)).startswith("No call now.")
        assert not (await held(changed)).startswith("No call now.")
        deaf.close()
