"""Any bytes at the console: keys or nothing, the same in any pieces, and what is typed afterwards arrives."""

from hypothesis import strategies as st

from dialpost.core.console.editor import InputEnded, Interrupted, Line, LineEditor, Mode, TooLong
from dialpost.core.console.keys import Key, KeyDecoder
from fuzzing import fuzz

PARAMETERS = st.text(alphabet="0123456789:;<=>?", max_size=12).map(str.encode)
INTERMEDIATES = st.text(alphabet=" !\"#$%&'()*+,-./", max_size=3).map(str.encode)
CSI = st.sampled_from([b"\x1b[", b"\x9b", b"\xc2\x9b"])
SEQUENCES = st.one_of(
    st.builds(
        lambda start, parameters, middle, final: start + parameters + middle + bytes([final]),
        CSI,
        PARAMETERS.filter(bool),
        INTERMEDIATES,
        st.integers(0x40, 0x7D),
    ),
    st.builds(
        lambda start, text, end: start + text + end,
        st.sampled_from([b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX", b"\x9d", b"\x90"]),
        st.text(
            st.characters(min_codepoint=0x20, exclude_characters="\x7f", exclude_categories=["Cs", "Cc"]),
            max_size=40,
        ).map(str.encode),
        st.sampled_from([b"\x07", b"\x1b\\", b"\x9c"]),
    ),
    st.binary(min_size=3, max_size=3).map(
        lambda data: b"\x1b[M" + bytes(max(byte, 0x21) for byte in data).replace(b"\x7f", b"~")
    ),
    st.builds(lambda verb, option: bytes([0xFF, verb, option]), st.integers(0xFB, 0xFE), st.integers(0, 255)),
    st.builds(lambda data: b"\xff\xfa" + data.replace(b"\xff", b"\xff\xff") + b"\xff\xf0", st.binary(max_size=30)),
    st.builds(
        lambda middle, final: b"\x1b" + middle + bytes([final]), INTERMEDIATES.filter(bool), st.integers(0x30, 0x7E)
    ),
)


def decoded(data: bytes) -> list[Key | str]:
    decoder = KeyDecoder()
    return [key for key in map(decoder.receive, data) if key is not None]


def is_cursor(key: Key | str) -> bool:
    """A control sequence may well be an arrow key; it is never text, Enter or Ctrl-C."""
    return isinstance(key, Key) and key not in {Key.ENTER, Key.INTERRUPT, Key.END_OF_INPUT, Key.TAB}


@fuzz(st.lists(SEQUENCES, max_size=6), st.text(alphabet="abcé日", max_size=5), examples=600)
def test_no_sequence_is_text_and_the_text_between_is_whole(sequences: list[bytes], text: str) -> None:
    data = b"".join(sequence + text.encode() for sequence in sequences)
    found = [key for key in decoded(data) if not is_cursor(key)]
    assert found == list(text) * len(sequences)


@fuzz(st.binary(max_size=200), examples=600)
def test_any_bytes_then_a_pause_then_what_an_operator_types(noise: bytes) -> None:
    decoder = KeyDecoder()
    for byte in noise:
        key = decoder.receive(byte)
        assert key is None or isinstance(key, Key) or (len(key) == 1 and key.isprintable())
    decoder.pause()
    assert [decoder.receive(byte) for byte in b"ok\x1b[A"] == ["o", "k", None, None, Key.UP]


PIECES = st.one_of(
    st.binary(max_size=30), SEQUENCES, st.sampled_from([b"\r", b"\x03", b"\x16", b"\t", b"?", b"status"])
)


@fuzz(st.lists(PIECES, max_size=12), st.sampled_from(list(Mode)), st.integers(1, 9), examples=300)
def test_the_editor_gives_the_same_lines_however_the_bytes_are_cut(
    pieces: list[bytes], mode: Mode, step: int
) -> None:
    data = b"".join(pieces)

    def lines(chunks: list[bytes]) -> list[Line | TooLong | Interrupted | InputEnded]:
        editor, found = LineEditor(width=40, utf8=True), []
        editor.begin("> ", mode)
        for chunk in chunks:
            editor.receive(chunk)
            while (event := editor.event()) is not None:
                found.append(event)
                editor.begin("> ", mode)
            assert "\x9b" not in editor.data_to_send().decode()
        return found

    whole = lines([data])
    assert lines([data[at : at + step] for at in range(0, len(data), step)]) == whole
    assert all(isinstance(event, TooLong) or "\x1b" not in getattr(event, "text", "") for event in whole)
