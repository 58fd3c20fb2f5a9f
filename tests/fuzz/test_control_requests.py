"""Requests that no face of ours sends: the real control server answers each with one error, and lives on."""

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import example
from hypothesis import strategies as st

from dialpost.core.control.serving import Asked, Served
from dialpost.core.json_value import JsonValue
from dialpost.edge.control_socket.server import ControlServer
from fuzzing import fuzz

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
REQUESTS = st.one_of(
    st.binary(max_size=80),
    st.builds(lambda depth, mark: mark * depth, st.integers(0, 100_000), st.sampled_from([b"[", b'{"method":'])),
    st.fixed_dictionaries({"method": VALUES, "params": VALUES}).map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda params: json.dumps({"method": "echo", "params": params}).encode(),
        st.dictionaries(st.text(max_size=5), VALUES, max_size=3),
    ),
).map(lambda line: line.replace(b"\n", b" "))


async def echo(params: Mapping[str, JsonValue], asked: Asked) -> JsonValue:
    return dict(params)


async def talk(path: Path, requests: list[bytes], *, is_half: bool) -> list[dict[str, dict[str, object] | str]]:
    """Answers to all of them, and to a good one on its own connection."""
    reader, writer = await asyncio.open_unix_connection(path)
    data = b"".join(line + b"\n" for line in requests)
    writer.write(data[:-1] if is_half else data)
    writer.write_eof()
    answers = [json.loads(line) async for line in reader]
    writer.close()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"method": "echo", "params": {"a": "\xc3\xa9"}}\n')
    assert json.loads(await reader.readline()) == {"result": {"a": "é"}}
    writer.close()
    return answers


@fuzz(st.lists(REQUESTS, min_size=1, max_size=6), st.booleans(), examples=250)
@example([b"[" * 100_000], False)
@example([b'{"method": "echo", "params": {"a": "\\ud800"}}'], False)
@example([b'{"method": "echo", "params": {"a": 123456789012345678901234567890}}'], True)
@example([b'{"method": "echo", "params": [["a", 1]]}', b'{"method": "sta'], True)
def test_any_requests_are_answered_one_by_one(requests: list[bytes], is_half: bool) -> None:
    async def run() -> list[dict[str, dict[str, object] | str]]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "c.sock"
            server = ControlServer(path, {"echo": Served(echo)})
            await server.start()
            try:
                return await talk(path, requests, is_half=is_half)
            finally:
                await server.close()

    answers = asyncio.run(run())
    expected = len(requests) - (is_half and not requests[-1])  # nothing at all is no half of a request
    assert len(answers) == expected
    for answer in answers:
        assert set(answer) in ({"result"}, {"error", "kind"})
        if "error" in answer:
            assert answer["kind"] == "ControlError" and len(answer["error"]) < 400 and "\n" not in answer["error"]
