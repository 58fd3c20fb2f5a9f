"""The whole IMAP client against a server that leaves the protocol at any point and in any way.

It ends, in bounded memory, with one reason; a message is complete only with the bytes that the server has, nothing
is deleted that is not complete, and nobody waits for anybody.
"""

from __future__ import annotations

from hypothesis import strategies as st

from fuzzing import fuzz
from imap_model import ALL, Box, ModelImap
from imap_talk import Talk

SAID = st.one_of(
    st.sampled_from(
        [
            b"%t OK done\r\n",
            b"%t NO can't\r\n",
            b"%t BAD what\r\n",
            b"* BYE restart\r\n",
            b"+ Zm9v\r\n",
            b"zz OK done\r\n",
            b"* 2 EXPUNGE\r\n%t OK done\r\n",
            b"* 1 FETCH (UID 1 BODY[]<0> {4294967296}\r\n",
            b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n%t OK done\r\n",
            b"* 1 FETCH (UID 1 BODY[]<0> NIL)\r\n%t OK done\r\n",
            b"* 1 FETCH (BODY[]<0> {3}\r\nabc)\r\n%t OK done\r\n",
            b"* 1 FETCH (UID 3 BODY[]<65536> {0}\r\n)\r\n%t OK done\r\n",
            b"* 9 FETCH (UID 2 RFC822.SIZE 1)\r\n* 9 FETCH (UID 1 RFC822.SIZE 99999999)\r\n%t OK done\r\n",
            b"* OK [UIDVALIDITY 0]\r\n* OK [UIDNEXT 1]\r\n* 4000000000 EXISTS\r\n%t OK in\r\n",
            b"* SEARCH 1 2 3\r\n%t OK\r\n",
            b"* SEARCH 99999999999999999999\r\n%t OK\r\n",
            b"\x1b[2J\xff\r\n",
            b"x" * 70_000,
            b"",
        ]
    ),
    st.binary(max_size=40),
)
SIZES = st.lists(
    st.tuples(st.sampled_from([0, 1, 300, 65_535, 70_000]), st.sampled_from([None, 0, 200, 80_000])), max_size=4
)


@fuzz(
    st.dictionaries(st.integers(0, 16), SAID, max_size=4),
    SIZES,
    st.sampled_from([ALL, ("IMAP4rev1", "UIDPLUS"), ("IMAP4rev1", "AUTH=PLAIN", "COMPRESS=DEFLATE")]),
    st.sampled_from([1, 17, 100_000]),
    st.booleans(),
    examples=200,
)
def test_any_server_ends_in_a_reason_and_no_message_is_half(
    script: dict[int, bytes],
    sizes: list[tuple[int, int | None]],
    offers: tuple[str, ...],
    step: int,
    looks: bool,
) -> None:
    box = Box()
    for size, said in sizes:
        box.add(bytes(index % 251 for index in range(size)), size=said)
    contents = {f"7.{stored.uid}": stored.content for stored in box.messages}
    commands = iter(range(1000))
    model = ModelImap(box, offers=offers, answers=lambda command: script.get(next(commands)))
    talk = Talk(model, step=step, looks=looks).run()
    assert talk.ended is not None and len(talk.ended.words) < 500
    assert talk.ended.words.isprintable()
    if b"{3}" not in b"".join(script.values()):  # the one whose bytes are not the message's
        for uid, content in talk.content.items():
            assert contents[uid].startswith(content)
    assert set(talk.deleted) <= set(talk.complete)
    assert {f"7.{uid}" for uid in box.expunged} <= set(talk.complete)
