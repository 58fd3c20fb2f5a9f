"""The lines this host puts in front of a message."""

import pytest

from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.header.trace import date, date_text, message_id, received, return_path
from dialpost.core.mail.session import Listener, Peer

PEER = Peer("192.0.2.1", Listener.MX, "x.example", "ESMTPS", "TLSv1.3")
HOST, ID = "mail.clinic.example", QueueId("D0000001")


def test_received() -> None:
    assert received(PEER, HOST, ID, 0, "anna@clinic.example").decode() == (
        "Received: from x.example ([192.0.2.1]) (using TLSv1.3)\n"
        "\tby mail.clinic.example with ESMTPS id D0000001 for <anna@clinic.example>;\n"
        "\tThu, 1 Jan 1970 00:00:00 +0000\n"
    )


def test_received_tells_of_no_blind_copies() -> None:
    assert b" for <" not in received(PEER, HOST, ID, 0, None)


@pytest.mark.parametrize(
    ("helo", "shown"),
    [("", "unknown"), ("a (b)\r\nX: y", "a?b?X:?y"), ("[IPv6:::1]", "[IPv6:::1]"), ("h" * 999, "h" * 100)],
)
def test_a_peers_name_is_never_trusted(helo: str, shown: str) -> None:
    line = received(Peer("2001:db8::1", Listener.MX, helo), HOST, ID, 0, None).decode()
    assert line.startswith(f"Received: from {shown} ([IPv6:2001:db8::1])\n")
    assert line.count("\n") == 3


def test_the_other_lines() -> None:
    assert return_path("") == b"Return-Path: <>\n"
    assert return_path("jürgen@world.example").decode() == "Return-Path: <jürgen@world.example>\n"
    assert date(86_400 * 365) == b"Date: Fri, 1 Jan 1971 00:00:00 +0000\n"
    assert message_id(HOST, ID, 17) == b"Message-ID: <D0000001.17@mail.clinic.example>\n"


def test_a_leap_day_is_written_as_one() -> None:
    assert date_text(1_709_210_096) == "Thu, 29 Feb 2024 12:34:56 +0000"
