"""Notices about mail and answers of any text: one header, the parts they should have, nothing that breaks out."""

import email
import email.policy
import re

from hypothesis import strategies as st

from dialpost.core.mail.content.downgrade import Downgrade, Goal, plan
from dialpost.core.mail.dsn import Report, ReportedRecipient, ReportFrame, build_report
from dialpost.core.mail.reply import Reply
from fakes import a_record, to_world
from fuzzing import fuzz

TEXT = st.one_of(
    st.text(max_size=60), st.sampled_from(["a\r\nBcc: x", "\n\n--", "ü" * 200, "x" * 1500, "=?utf-8?q?x?="])
)
ORIGINAL = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from([b"\n", b"A: b\n", b"\xff", b"Content-Type: multipart/signed; boundary=s\n", b"--s\n"])
    ).map(b"".join),
).map(lambda raw: raw.replace(b"\r", b""))


@fuzz(
    st.sampled_from(list(Report)),
    st.lists(TEXT, min_size=8, max_size=8),
    ORIGINAL,
    st.booleans(),
    st.booleans(),
    examples=300,
)
def test_a_notice_holds_together_whatever_it_is_about(
    report: Report, texts: list[str], original: bytes, is_whole: bool, smtputf8: bool
) -> None:
    subject, message_id, envid, orcpt, original_address, said, by, address = texts
    address = address.split("\n")[0] + "@far.example"
    recipient = to_world(address, attempts=1, orcpt=f"rfc822;{orcpt}", original_address=original_address or None)
    message = a_record(
        "D0000001", recipient, subject=subject, message_id_header=message_id, envid=envid or None, smtputf8=smtputf8
    )
    frame = ReportFrame(
        "mail.clinic.example",
        "eve@world.example",
        "Mon, 24 Nov 2025 10:00:00 +0100",
        "Mon, 24 Nov 2025 09:00:00 +0100",
        "D0000001.failed.abc",
        original,
        is_whole,
    )
    data = build_report(report, message, [ReportedRecipient(recipient, Reply(550, (said,)), by)], frame)
    header = data.partition(b"\n\n")[0]
    assert header.isascii()
    assert max(map(len, header.split(b"\n"))) <= 998
    names = re.findall(rb"(?m)^([^ \t:]+):", header)
    expected = [
        b"From",
        b"To",
        b"Subject",
        b"Date",
        b"Message-ID",
        b"Auto-Submitted",
        b"MIME-Version",
        b"Content-Type",
    ]
    assert names[:8] == expected and names[8:] in ([], [b"In-Reply-To", b"References"])
    seen = email.message_from_bytes(data, policy=email.policy.compat32)
    assert len(seen.get_payload()) == 2 + bool(original)
    goal = Goal(at_any_price=True)
    walker = Downgrade(plan(lambda: [data], goal))
    sent = walker.feed(data) + walker.finish()
    assert sent.isascii()
    assert max(map(len, sent.split(b"\n"))) <= 998
    assert len(email.message_from_bytes(sent).get_payload()) == 2 + bool(original)
