"""Whatever a host says to ATRN: the roles turn on a whole 250 alone, and nothing behind it is read as a reply."""

from __future__ import annotations

from hypothesis import strategies as st

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.esmtp.client import EsmtpClient
from dialpost.core.mail.esmtp.phases import Phase
from dialpost.core.mail.esmtp.wire import AtrnAnswered, Ended
from dialpost.core.mail.inbound.atrn import atrn_result
from dialpost.core.mail.smtp_target import AtrnDialogue, ConnectSettings
from fuzzing import fuzz

_CODES = st.sampled_from([250, 220, 251, 354, 421, 450, 451, 453, 500, 502, 503, 530, 535, 999])
_REPLIES = st.builds(
    lambda code, mark, text: f"{code}{mark}{text}\r\n".encode("utf-8", "replace"),
    _CODES,
    st.sampled_from([" ", "-", ""]),
    st.text(max_size=40).filter(lambda text: "\n" not in text),
)
_SAID = st.lists(st.one_of(_REPLIES, st.binary(max_size=60)), max_size=6)


@fuzz(_SAID, st.integers(1, 50))
def test_any_host_ends_in_an_answer_or_not_at_all(said: list[bytes], size: int) -> None:
    core = EsmtpClient(ConnectSettings(helo="station.example", tls=TlsMode.NONE), "mail.example")
    core.receive(b"220 mail.example\r\n")
    core.data_to_send()
    core.receive(b"250-mail.example\r\n250 ATRN\r\n")
    core.atrn(("a.example",))
    core.data_to_send()
    data = b"".join(said)
    events = [event for at in range(0, len(data), size) for event in core.receive(data[at : at + size])]
    answers = [event.reply for event in events if isinstance(event, AtrnAnswered)]
    assert len(answers) <= 1
    assert (core.phase is Phase.TURNED) is (bool(answers) and answers[0].code == 250)
    if core.phase is Phase.TURNED:
        rest = core.take_turned_input()
        assert data.endswith(rest) and len(events) == 1
    assert len([event for event in events if isinstance(event, Ended)]) == (core.phase is Phase.OVER)
    result = atrn_result(AtrnDialogue(answers[0] if answers else None, "the session ended"))
    assert not any(char < " " and char != "\t" for char in result.words) and result.sentence()
