"""The control socket: answers, events, refusals, faults, and what an operator reads when nobody is there."""

import asyncio
import contextlib
import json
import os
import pwd
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Never

import pytest

from dialpost.core.control.declared import Access
from dialpost.core.control.serving import Asked, Pages, Served
from dialpost.core.control.station import UPDATE_STATUS
from dialpost.core.errors import AccountError, ControlError
from dialpost.core.json_value import JsonValue
from dialpost.edge.control_socket import ControlClient, ControlConnection
from dialpost.edge.control_socket import server as serving
from dialpost.edge.control_socket.server import ControlServer, _Connection
from fakes import leap

HANGS_S = 60.0
STRANGER = os.geteuid() + 12_345
"""A user who is neither root nor the one that runs the tests."""
"""Only what hangs takes this long."""
ENDED = r"ended before it answered|was lost"


async def echo(params: Mapping[str, JsonValue], asked: Asked) -> dict[str, JsonValue]:
    return dict(params)


async def refuse(params: Mapping[str, JsonValue], asked: Asked) -> Never:
    raise AccountError("There is no account 'bob'.")


async def bug(params: Mapping[str, JsonValue], asked: Asked) -> Never:
    raise RuntimeError("secret detail")


async def count(params: Mapping[str, JsonValue], asked: Asked) -> str:
    for number in range(3):
        asked.emit(number)
    return "done"


def served(**methods: Callable[..., Any]) -> dict[str, Served]:
    """Methods of these names, whatever they are given."""
    return {name: Served(run) for name, run in methods.items()}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ControlClient]:
    server = ControlServer(
        tmp_path / "run" / "control.sock", served(echo=echo, refuse=refuse, bug=bug, count=count)
    )
    await server.start()
    yield ControlClient(tmp_path / "run" / "control.sock", timeout_s=HANGS_S)
    await server.close()


async def test_a_call_returns_the_result(client: ControlClient) -> None:
    assert await asyncio.to_thread(client.call, "echo", name="änna", n=3) == {"name": "änna", "n": 3}


async def test_events_come_in_order_before_the_result(client: ControlClient) -> None:
    lines = await asyncio.to_thread(lambda: list(client.events("count", {})))
    assert lines == [{"event": 0}, {"event": 1}, {"event": 2}, {"result": "done"}]


async def _pages(*, breaks: bool) -> AsyncIterator[list[JsonValue]]:
    yield [3, "\udcff"]
    yield []
    if breaks:
        raise RuntimeError("the second page")
    yield [None]


async def test_a_long_list_is_one_answer_sent_in_pages(tmp_path: Path) -> None:
    async def pages(params: Mapping[str, JsonValue], asked: Asked) -> Pages:
        return Pages([1, 2], _pages(breaks="breaks" in params))

    path = tmp_path / "control.sock"
    server = ControlServer(path, served(pages=pages, echo=echo))
    await server.start()
    with await asyncio.to_thread(ControlConnection, path) as connection:
        assert await asyncio.to_thread(connection.call, "pages") == [1, 2, 3, "?", None]
        assert await asyncio.to_thread(connection.call, "echo", a=1) == {"a": 1}
        with pytest.raises(ControlError, match=ENDED):  # the half of it that came is no answer
            await asyncio.to_thread(lambda: connection.call("pages", breaks=True))
    await server.close()


async def test_a_refusal_is_reported_in_the_flows_words(client: ControlClient) -> None:
    with pytest.raises(ControlError, match=r"^There is no account 'bob'\.$"):
        await asyncio.to_thread(client.call, "refuse")


async def test_a_bug_is_reported_without_its_insides_and_the_server_lives_on(client: ControlClient) -> None:
    with pytest.raises(ControlError, match="RuntimeError") as caught:
        await asyncio.to_thread(client.call, "bug")
    assert "secret detail" not in str(caught.value)
    assert await asyncio.to_thread(client.call, "echo", a=1) == {"a": 1}


async def test_an_unknown_method_and_garbage_are_refused(client: ControlClient, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no method 'fly'"):
        await asyncio.to_thread(client.call, "fly")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "run" / "control.sock")
    writer.write(b"garbage\n[1,2]\n")
    answers = [json.loads(await reader.readline()) for _ in range(2)]
    assert [answer["kind"] for answer in answers] == ["ControlError", "ControlError"]
    writer.close()


async def test_the_socket_is_closed_to_other_users(client: ControlClient, tmp_path: Path) -> None:
    mode = stat.S_IMODE((tmp_path / "run" / "control.sock").stat().st_mode)
    assert mode & 0o007 == 0


async def test_folders_made_while_the_socket_is_made_keep_their_mode(tmp_path: Path) -> None:
    """The umask belongs to the whole process: another task's folders must not get the socket's."""
    (tmp_path / "before").mkdir()
    server = ControlServer(tmp_path / "run" / "control.sock", {})

    async def make_folders() -> None:
        for number in range(200):
            (tmp_path / f"{number}").mkdir()
            await asyncio.sleep(0)

    await asyncio.gather(server.start(), make_folders())
    modes = {stat.S_IMODE((tmp_path / f"{number}").stat().st_mode) for number in range(200)}
    await server.close()
    assert modes == {stat.S_IMODE((tmp_path / "before").stat().st_mode)}


async def test_a_foreign_user_is_refused_by_the_kernels_word(
    client: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_peer_of", lambda writer: (STRANGER, STRANGER))
    with pytest.raises(ControlError, match="may not control"):
        await asyncio.to_thread(client.call, "echo")


def test_root_and_the_daemons_user_may_control() -> None:
    assert serving.may_control(0, 12_345)
    assert serving.may_control(os.geteuid(), 12_345)
    assert not serving.may_control(65_533, 65_533)


def test_without_a_daemon_the_message_says_what_to_do(tmp_path: Path) -> None:
    client = ControlClient(tmp_path / "control.sock")
    assert not client.available()
    with pytest.raises(ControlError, match="systemctl start dialpost"):
        client.call("status")


async def test_a_socket_file_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("left by a killed daemon")
    server = ControlServer(path, served(echo=echo))
    await server.start()
    assert await asyncio.to_thread(ControlClient(path).call, "echo", a=1) == {"a": 1}
    await server.close()
    assert not path.exists()


async def test_a_path_that_cannot_be_made_says_which_key_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    server = ControlServer(tmp_path / "file" / "control.sock", {})
    with pytest.raises(ControlError, match=r"station\.run_dir"):
        await server.start()


async def test_the_socket_of_a_running_daemon_is_not_taken_over(client: ControlClient, tmp_path: Path) -> None:
    second = ControlServer(tmp_path / "run" / "control.sock", {})
    with pytest.raises(ControlError, match=r"station\.run_dir"):
        await second.start()
    await second.close()
    assert await asyncio.to_thread(client.call, "echo", a=1) == {"a": 1}


async def test_what_is_offered_is_answered_until_it_is_withdrawn(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "control.sock", served(echo=echo))
    await server.start()
    client = ControlClient(tmp_path / "control.sock", timeout_s=HANGS_S)

    async def louder(params: dict[str, int], asked: _Connection) -> str:
        return "louder"

    withdraw = server.offer(served(echo=louder, refuse=refuse, count=count))
    assert await asyncio.to_thread(client.call, "echo", a=1) == "louder"
    assert await asyncio.to_thread(client.call, "count") == "done"
    withdraw()
    assert await asyncio.to_thread(client.call, "echo", a=1) == {"a": 1}
    for gone in ("refuse", "count"):
        with pytest.raises(ControlError, match=f"no method '{gone}'"):
            await asyncio.to_thread(client.call, gone)
    await server.close()


@pytest.fixture
async def talking(tmp_path: Path) -> AsyncIterator[tuple[ControlServer, Path, list[str]]]:
    """A server with a method that keeps its connection, and what happened to those connections."""
    gone: list[str] = []

    async def stay(params: dict[str, str], talk: _Connection) -> str:
        talk.stay(lambda: gone.append(params["name"]))
        return talk.user

    server = ControlServer(tmp_path / "control.sock", served(echo=echo, stay=stay))
    await server.start()
    yield server, tmp_path / "control.sock", gone
    await server.close()


async def until(condition: Callable[..., Any]) -> None:
    async with asyncio.timeout(HANGS_S):
        while not condition():
            await asyncio.sleep(0.005)  # the kernel tells the server, not us


async def test_a_talk_is_one_connection_and_its_end_is_reported(
    talking: tuple[ControlServer, Path, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path, gone = talking
    talk = await asyncio.to_thread(ControlConnection, path, HANGS_S)
    assert await asyncio.to_thread(lambda: talk.call("stay", name="a")) == pwd.getpwuid(os.geteuid()).pw_name
    leap(serving._REQUEST_TIMEOUT_S + 1)  # longer than a connection may be silent that nobody keeps
    await asyncio.sleep(0)
    assert await asyncio.to_thread(lambda: talk.call("echo", n=1)) == {"n": 1}
    with pytest.raises(ControlError, match="no method 'fly'") as caught:
        await asyncio.to_thread(talk.call, "fly")
    assert (caught.value.kind, gone) == ("ControlError", [])
    talk.close()
    await until(lambda: gone == ["a"])


async def test_a_connection_that_is_reset_and_a_server_that_closes_tell_it_too(
    talking: tuple[ControlServer, Path, list[Any]],
) -> None:
    server, path, gone = talking
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"method": "stay", "params": {"name": "reset"}}\n')
    await reader.readline()
    writer.transport.abort()
    await until(lambda: gone == ["reset"])
    talk = await asyncio.to_thread(ControlConnection, path, HANGS_S)
    await asyncio.to_thread(lambda: talk.call("stay", name="closed"))
    await server.close()
    assert gone == ["reset", "closed"]
    talk.close()


async def test_what_is_being_answered_when_it_is_withdrawn_is_interrupted(
    talking: tuple[ControlServer, Path, list[Any]],
) -> None:
    server, path, _ = talking
    begun, ended = asyncio.Event(), asyncio.Event()

    async def long(params: Mapping[str, JsonValue], asked: Asked) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    withdraw = server.offer(served(long=long))
    asking = asyncio.create_task(asyncio.to_thread(ControlClient(path, HANGS_S).call, "long"))
    await asyncio.wait_for(begun.wait(), HANGS_S)
    withdraw()
    with pytest.raises(ControlError, match="taken a new configuration: try again"):
        await asking
    assert ended.is_set()


async def test_who_asks_for_what_is_about_to_be_offered_waits(
    talking: tuple[ControlServer, Path, list[Any]],
) -> None:
    server, path, _ = talking
    server.pause()
    asking = asyncio.create_task(asyncio.to_thread(ControlClient(path, HANGS_S).call, "count"))
    assert await asyncio.to_thread(ControlClient(path, HANGS_S).call, "echo", n=1) == {"n": 1}  # the rest goes on
    assert not asking.done()
    withdraw = server.offer(served(count=count))
    server.resume()
    assert await asking == "done"
    withdraw()


async def spoken(path: Path, data: bytes) -> list[dict[str, str]]:
    """What is answered to raw octets, up to the end of the connection."""
    reader, writer = await asyncio.open_unix_connection(path, limit=2**20)
    writer.write(data)
    answers = []
    with contextlib.suppress(ConnectionError):
        await writer.drain()
        writer.write_eof()
    async for line in reader:
        answers.append(json.loads(line))
    writer.close()
    return answers


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[" * 50_000 + b"\n", "deep"),
        (b'{"method": "echo", "params": {"n": 99999999999999999999}}\n', "64 bits"),
        (b'{"method": "echo", "params": {"t": "\\ud800"}}\n', "surrogate"),
        (b'{"method": "echo", "params": {"n": NaN}}\n', "NaN"),
        (b'{"method": "echo", "params": [["a", 1]]}\n', "params"),
        (b'{"method": ["echo"]}\n', "needs"),
        (b'{"method": "ec', "line 1, column 12"),
        (b"\xff\n", "UTF-8"),
        (b"x" * (serving.MAX_REQUEST_BYTES + 1), "more than 4194304 bytes"),
        (b"x" * (3 * serving.MAX_REQUEST_BYTES), "more than 4194304 bytes"),
    ],
)
async def test_a_request_that_is_none_gets_one_clear_error(client: ControlClient, data: bytes, words: str) -> None:
    (answer,) = await spoken(client._path, data)
    assert answer["kind"] == "ControlError" and words in answer["error"]
    assert await asyncio.to_thread(client.call, "echo", n=1) == {"n": 1}


async def test_octets_that_are_no_text_can_be_asked_for(client: ControlClient) -> None:
    assert await asyncio.to_thread(client.call, "echo", name="a\udcff") == {"name": "a?"}


@pytest.mark.parametrize("length", [60, 106, 107, 108, 200, 1000])
async def test_a_folder_of_any_length_has_a_control_socket(tmp_path: Path, length: int) -> None:
    """The kernel takes 107 octets of a path; people have longer ones."""
    folder = tmp_path
    while len(str(folder)) < length:
        folder /= "x" * min(200, max(1, length - len(str(folder)) - 1))
    path = folder / "control.sock"
    server = ControlServer(path, served(echo=echo))
    await server.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert await asyncio.to_thread(ControlClient(path, HANGS_S).call, "echo", n=1) == {"n": 1}
    await server.close()
    assert not path.exists()


async def test_requests_sent_ahead_let_others_have_their_turn(tmp_path: Path) -> None:
    happened = []

    async def note(params: Mapping[str, JsonValue], asked: Asked) -> None:
        happened.append("request")

    server = ControlServer(tmp_path / "control.sock", served(note=note))
    await server.start()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "control.sock")
    writer.write(b'{"method": "note", "params": {}}\n' * 500)

    async def tick() -> None:
        while True:
            happened.append("tick")
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    for _ in range(500):
        assert json.loads(await reader.readline()) == {"result": None}
    ticking.cancel()
    writer.close()
    await server.close()
    in_a_row = [run.split() for run in " ".join(happened).split("tick")]
    assert max(map(len, in_a_row)) <= 2


@pytest.mark.parametrize("said", [b"", b'{"event": "dialling"}\n', b'{"event": 1}\n{"even'])
async def test_a_daemon_that_ends_before_its_answer_is_a_sentence_whoever_asked(
    tmp_path: Path, said: bytes
) -> None:
    """SIGTERM under `call now`: the events simply ended, and each face fell over what was not there."""

    async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    path = tmp_path / "control.sock"
    async with await asyncio.start_unix_server(ends, path):
        client = ControlClient(path, timeout_s=HANGS_S)
        with pytest.raises(ControlError, match=ENDED):
            await asyncio.to_thread(lambda: list(client.events("call.now", {})))
        with pytest.raises(ControlError, match=ENDED):
            await asyncio.to_thread(client.call, "status")

        def talk() -> None:
            with ControlConnection(path, timeout_s=HANGS_S) as talk:
                talk.call("status")

        with pytest.raises(ControlError, match=ENDED):
            await asyncio.to_thread(talk)


async def test_a_member_that_an_answer_lacks_is_a_sentence_on_either_connection(tmp_path: Path) -> None:
    async def lacking(params: Mapping[str, JsonValue], asked: Asked) -> JsonValue:
        return {"colour": "blue"}

    path = tmp_path / "control.sock"
    server = ControlServer(path, {UPDATE_STATUS.name: Served(lacking)})
    await server.start()

    def talk() -> None:
        with ControlConnection(path, timeout_s=HANGS_S) as talk:
            talk.ask(UPDATE_STATUS)

    for ask in (talk, lambda: ControlClient(path, HANGS_S).ask(UPDATE_STATUS)):
        with pytest.raises(ControlError, match="The daemon's answer lacks 'words'"):
            await asyncio.to_thread(ask)
    await server.close()


async def test_a_method_of_the_owners_is_refused_to_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ControlServer(
        tmp_path / "control.sock", {"mine": Served(echo, Access.OWNER), "ours": Served(echo, Access.ADMIN)}
    )
    await server.start()
    client = ControlClient(tmp_path / "control.sock", HANGS_S)
    assert await asyncio.to_thread(client.call, "mine", n=1) == {"n": 1}
    monkeypatch.setattr(serving, "_peer_of", lambda writer: (STRANGER, os.getegid()))
    assert await asyncio.to_thread(client.call, "ours", n=1) == {"n": 1}
    with pytest.raises(ControlError, match=r"^mine is for the station's own units"):
        await asyncio.to_thread(client.call, "mine", n=1)
    await server.close()


async def test_a_crowd_of_connections_leaves_room_for_the_mail(
    client: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 3)
    ours = serving._peer_of
    monkeypatch.setattr(serving, "_peer_of", lambda writer: (STRANGER, os.getegid()))
    silent = [await asyncio.open_unix_connection(client._path) for _ in range(3)]
    reader, writer = await asyncio.open_unix_connection(client._path)
    (answer,) = [json.loads(line) async for line in reader]
    assert answer == {
        "error": "3 connections are open already: close some, then try again.",
        "kind": "ControlError",
    }
    monkeypatch.setattr(serving, "_peer_of", ours)
    assert await asyncio.to_thread(client.call, "echo", n=1) == {"n": 1}  # there are places for the station's own
    monkeypatch.setattr(serving, "_peer_of", lambda writer: (STRANGER, os.getegid()))
    for _, held in [*silent, (reader, writer)]:
        held.close()
        await held.wait_closed()
    async with asyncio.timeout(HANGS_S):
        while True:
            with contextlib.suppress(ControlError):
                assert await asyncio.to_thread(client.call, "echo", n=1) == {"n": 1}
                break


@pytest.mark.parametrize("begun", [b"", b'{"method": "echo", "params": {"text": "'])
async def test_a_request_that_never_ends_is_reported_so_and_its_connection_closed(
    client: ControlClient, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(serving, "_REQUEST_TIMEOUT_S", 0.05)
    reader, writer = await asyncio.open_unix_connection(client._path)
    writer.write(begun)
    (answer,) = [json.loads(line) async for line in reader]
    assert answer == {"error": "No whole request came within 0 s.", "kind": "ControlError"}
    writer.close()


async def test_a_question_interrupted_leaves_the_next_ones_answer_its_own(tmp_path: Path) -> None:
    """Ctrl-C while a commit works: the console took its answer for that of the next command."""
    may_answer = asyncio.Event()

    async def slow(params: Mapping[str, JsonValue], asked: Asked) -> str:
        await may_answer.wait()
        return "the first"

    path = tmp_path / "control.sock"
    server = ControlServer(path, served(slow=slow, echo=echo))
    await server.start()
    loop = asyncio.get_running_loop()

    def ask() -> list[int]:
        with ControlConnection(path, timeout_s=HANGS_S) as talk:
            real = talk._stream

            class Interrupted:
                """A terminal's Ctrl-C while the answer is waited for."""

                write, flush = real.write, real.flush

                def readline(self) -> Never:
                    raise KeyboardInterrupt

            talk._stream = Interrupted()  # type: ignore[assignment]
            with pytest.raises(KeyboardInterrupt):
                talk.call("slow")
            talk._stream = real
            loop.call_soon_threadsafe(may_answer.set)
            return [talk.call("echo", n=n)["n"] for n in (1, 2)]

    assert await asyncio.to_thread(ask) == [1, 2]
    await server.close()


def test_an_interrupt_at_the_last_moment_of_a_call_is_not_eaten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ControlClient(tmp_path / "none.sock")

    def events(method: str, params: dict[Any, Any]) -> Iterator[dict[str, int]]:
        try:
            yield {"result": 1}
        finally:
            raise KeyboardInterrupt

    monkeypatch.setattr(client, "events", events)
    with pytest.raises(KeyboardInterrupt):
        client.call("status")


async def test_who_finds_no_place_can_send_the_request_and_reads_the_answer(
    client: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A face writes first: closed under it, that would be a broken pipe instead of an answer."""
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(serving, "_DRAIN_S", 600.0)
    monkeypatch.setattr(serving, "_peer_of", lambda writer: (STRANGER, os.getegid()))
    _, held = await asyncio.open_unix_connection(client._path)

    def late_request() -> bytes:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(str(client._path))
            answer = sock.makefile("rb").read()
            sock.sendall(b'{"method": "echo"}\n')
            return answer

    assert b"1 connections are open already" in await asyncio.to_thread(late_request)
    held.close()
    await held.wait_closed()
