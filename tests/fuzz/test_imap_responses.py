"""Responses of a server that knows no IMAP: read or refused, in bounded memory, the same in any split."""

from hypothesis import strategies as st

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.imap.answers import read_answer, read_attributes
from dialpost.core.mail.inbound.imap.reader import MAX_RESPONSE_BYTES, Content, Response, ResponseReader
from fuzzing import fuzz

PIECES = st.one_of(
    st.sampled_from(
        [b"* ", b"a1 ", b"+ ", b"OK ", b"1 FETCH (", b"UID 5 ", b"BODY[] ", b"BODY[]<3> ", b"{3}\r\n", b"~{2+}\r\n"]
    ),
    st.sampled_from([b"\r\n", b"\n", b"(", b")", b"[", b"]", b'"', b"\\", b"NIL ", b"{99999999999999999999}\r\n"]),
    st.integers(0, 2**64).map(lambda length: b"{%d}\r\n" % length),
    st.binary(max_size=20),
)


def read(stream: bytes, step: int) -> tuple[bytes, list[Response], bool]:
    """The content that was handed on, the responses, and whether all of it was IMAP."""
    reader = ResponseReader()
    content, responses = b"", []
    for at in range(0, len(stream), step):
        try:
            for item in reader.receive(stream[at : at + step]):
                if isinstance(item, Content):
                    content += item.data
                elif isinstance(item, Response):
                    responses.append(item)
        except ProtocolError:
            return content, responses, False
    return content, responses, True


@fuzz(st.lists(PIECES, max_size=20), st.integers(1, 7), examples=500)
def test_any_bytes_are_responses_or_no_protocol_in_any_split(pieces: list[bytes], step: int) -> None:
    stream = b"".join(pieces)
    whole = read(stream, step)
    assert read(stream, 1) == whole
    for response in whole[1]:
        assert sum(len(part) for part in response.parts if isinstance(part, bytes)) <= MAX_RESPONSE_BYTES
        try:
            answer = read_answer(response)
            read_attributes(response)
        except ProtocolError:
            continue
        assert answer.text.isprintable()
