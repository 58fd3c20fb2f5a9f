"""Replies of a server that knows no protocol: read or refused, in bounded memory, the same in any split."""

from hypothesis import strategies as st

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.esmtp.replies import ReplyReader
from dialpost.core.mail.reply import Reply
from fuzzing import fuzz

LINES = st.one_of(
    st.from_regex(rb"[2-5][0-9]{2}[ -][ -~]{0,40}\r?\n", fullmatch=True),
    st.from_regex(rb"[0-9]{1,4}[ -]?.{0,10}\n", fullmatch=True),
    st.binary(max_size=60),
)


def read(pieces: list[bytes]) -> tuple[list[Reply], bool]:
    reader = ReplyReader()
    replies: list[Reply] = []
    for piece in pieces:
        try:
            replies += reader.receive(piece)
        except ProtocolError:
            return replies, False
    return replies, True


@fuzz(st.lists(LINES, max_size=8), st.integers(1, 7), examples=500)
def test_any_bytes_are_replies_or_no_protocol_in_any_split(lines: list[bytes], step: int) -> None:
    stream = b"".join(lines)
    whole = read([stream[i : i + step] for i in range(0, len(stream), step)])
    bytewise = read([stream[i : i + 1] for i in range(len(stream))])
    assert whole[1] == bytewise[1]
    assert bytewise[0][: len(whole[0])] == whole[0]
