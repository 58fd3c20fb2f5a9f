"""Whose is a message from a mailbox that holds a whole domain's mail."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.mail.accounts import Account, Alias, Directory
from dialpost.core.mail.inbound.owner import Owner, OwnerRule, owner_of, reason_field, without_return_path

DIRECTORY = Directory(
    {"anna": Account("anna"), "ben": Account("ben")},
    {"team@clinic.example": Alias("team@clinic.example", ("anna", "ben"))},
    ("clinic.example",),
    postmaster="anna",
)
RULE = OwnerRule.of_box("", "", "clinic", ("clinic.example",))
POSTMASTER = "postmaster@clinic.example"
ENTRY = b"Received: from far.example (far.example [198.51.100.7])\n by mx.net.example with ESMTPS id 1; Mon\n"
REST = b"From: eve@far.example\nTo: ben@clinic.example\nSubject: hello\n\nText\n"


def owner(header: bytes, rule: OwnerRule = RULE) -> Owner:
    found = owner_of(header, rule, DIRECTORY)
    assert owner_of(header.replace(b"\n", b"\r\n"), rule, DIRECTORY) == found
    return found


@cases(
    ("fields", "recipients"),
    [
        (b"Delivered-To: anna@clinic.example\n", ("anna@clinic.example",)),
        (b"X-Original-To: <anna@clinic.example>\n", ("anna@clinic.example",)),
        (
            b"Envelope-to: anna@clinic.example,\n ben@CLINIC.example\n",
            ("anna@clinic.example", "ben@clinic.example"),
        ),
        (b"X-Envelope-To: anna@clinic.example (catch-all, all of it)\n", ("anna@clinic.example",)),
        (
            b"X-Envelope-To: <anna@clinic.example>\nX-Envelope-To: <ben@clinic.example>\n",
            ("anna@clinic.example", "ben@clinic.example"),
        ),
        (b"Delivered-To: box7@net.example\nX-Original-To: anna@clinic.example\n", ("anna@clinic.example",)),
        (b"Delivered-To: anna@clinic.example\nX-Original-To: team@clinic.example\n", ("anna@clinic.example",)),
        (b"Delivered-To: anna@clinic.example\nDelivered-To: team@clinic.example\n", ("anna@clinic.example",)),
        (b"Delivered-To: clinic.example-anna@clinic.example\n", ("anna@clinic.example",)),
        (b"Delivered-To: mbox-clinic-anna@clinic.example\n", ("anna@clinic.example",)),
        (b"Delivered-To: Anna+shop@clinic.example\n", ("Anna+shop@clinic.example",)),
    ],
)
def test_what_the_provider_noted_decides(fields: bytes, recipients: tuple[str, ...]) -> None:
    assert owner(b"Return-Path: <eve@far.example>\n" + fields + ENTRY + REST) == Owner(
        recipients, "eve@far.example"
    )


@cases(
    ("header", "why"),
    [
        (ENTRY + REST, "the provider noted no envelope recipient"),
        (REST, "it has no Received line"),
        (b"Delivered-To: anna@clinic.example\n" + REST, "it has no Received line"),
        (b"Delivered-To: box7@net.example\n" + ENTRY + REST, "(delivered-to: box7@net.example)"),
        (b"Delivered-To: no address at all\n" + ENTRY + REST, "(delivered-to: no address at all)"),
        (b"Delivered-To: gone@clinic.example\n" + ENTRY + REST, "nobody here has the address gone@clinic.example"),
        (b"Delivered-To: 8-anna@clinic.example\n" + ENTRY + REST, "nobody here has the address 8-anna@"),
        (b"Delivered-To: clinic-@clinic.example\n" + ENTRY + REST, "nobody here has the address clinic-@"),
    ],
)
def test_what_names_nobody_is_the_postmasters_with_the_reason(header: bytes, why: str) -> None:
    found = owner(header)
    assert found.recipients == (POSTMASTER,)
    assert why in found.why
    assert b"\n" not in reason_field(found.why)[:-1]


def test_of_several_recipients_each_known_one_gets_it_and_the_postmaster_the_rest() -> None:
    found = owner(b"Envelope-To: anna@clinic.example, gone@clinic.example\n" + ENTRY + REST)
    assert found.recipients == ("anna@clinic.example", POSTMASTER)
    assert found.unknown == ("gone@clinic.example",)


def test_only_the_configured_header_counts() -> None:
    rule = OwnerRule.of_box("", "X-Rcpt", "clinic", ("clinic.example",))
    fields = b"Delivered-To: anna@clinic.example\nX-Rcpt: ben@clinic.example\n"
    assert owner(fields + ENTRY + REST, rule).recipients == ("ben@clinic.example",)


def test_a_box_of_one_account_asks_no_header() -> None:
    rule = OwnerRule.of_box("ben@clinic.example", "", "ben", ("clinic.example",))
    fields = b"Return-Path: <>\nDelivered-To: anna@clinic.example\n"
    assert owner(fields + ENTRY + REST, rule) == Owner(("ben@clinic.example",), "")
    assert owner(REST, rule) == Owner(("ben@clinic.example",), "")
    gone = owner(REST, OwnerRule("gone@clinic.example"))
    assert gone.recipients == (POSTMASTER,) and "this mailbox is for gone@clinic.example" in gone.why


@cases(
    "received",
    [
        b"Received: from mx.net.example ([10.0.0.3])\n by store.net.example with LMTP id 7; Mon\n",
        b"Received: from mx (using TLSv1.3 with cipher AES (256/256 bits))\n by s with LMTPS id 7; Mon\n",
        b"Received: from mx by store with UTF8LMTPSA id 7; Mon\n",
    ],
)
def test_a_hand_over_by_lmtp_is_inside_the_provider(received: bytes) -> None:
    below = b"Delivered-To: anna@clinic.example\n"
    store = b"Return-Path: <eve@far.example>\nDelivered-To: box7@net.example\n"
    assert owner(store + received + below + ENTRY + REST) == Owner(("anna@clinic.example",), "eve@far.example")


@cases(
    "received",
    [
        b"Received: from mx by store with ESMTP id 7; Mon\n",
        b"Received: from mx by store id 7; Mon\n",
        b"Received: from with LMTP (x [198.51.100.7]) by store with ESMTP id 7; Mon\n",  # HELO "with LMTP"
        b"Received: from with LMTP ( (x [198.51.100.7]) by store with ESMTP id 7; Mon\n",  # HELO "with LMTP ("
        b"Received: from ; with LMTP (x [198.51.100.7]) by store with ESMTP id 7; Mon\n",  # HELO "; with LMTP"
        b"Received: from x by store; Mon\n with LMTP id 7\n",  # the sender's first line is folded
        b"Received: (qmail 7 invoked from network); Mon\n",
    ],
)
def test_any_other_received_line_ends_what_counts(received: bytes) -> None:
    forged = b"Return-Path: <boss@clinic.example>\nDelivered-To: anna@clinic.example\n"
    found = owner(received + forged + ENTRY + REST)
    assert (found.recipients, found.sender) == ((POSTMASTER,), "")


_NAMES = st.sampled_from([b"Received", b"Delivered-To", b"X-Original-To", b"Envelope-To", b"Return-Path", b"To"])
_VALUES = st.sampled_from(
    [b"anna@clinic.example", b"<ben@clinic.example>", b"from mx by store with LMTP; x", b"\n with LMTP id 1", b""]
)
_LINES = st.one_of(
    st.builds(lambda name, value: name + b": " + value + b"\n", _NAMES, _VALUES),
    st.binary(max_size=40).map(lambda text: text.replace(b"\r", b"") + b"\n"),
)


@given(
    st.sampled_from([b"", b"Received: from mx by store with LMTP id 1; Mon\n"]),
    st.sampled_from([b"", b"Delivered-To: ben@clinic.example\n", b"Delivered-To: gone@clinic.example\n"]),
    st.lists(_LINES, max_size=12).map(b"".join),
)
def test_nothing_a_sender_writes_changes_the_owner(hop: bytes, noted: bytes, written: bytes) -> None:
    honest = owner(hop + noted + ENTRY + b"\n")
    assert owner(hop + noted + ENTRY + written) == honest


@cases(
    ("head", "without"),
    [
        (b"Return-Path: <a@b>\nReceived: x\n", b"Received: x\n"),
        (b"Delivered-To: c\r\nReturn-Path:\r\n <a@b>\r\nReceived: x\r\n", b"Delivered-To: c\r\nReceived: x\r\n"),
        (b"Received: x\nReturn-Path: <a@b>\n", b"Received: x\nReturn-Path: <a@b>\n"),
        (b"\nReturn-Path: <a@b>\n", b"\nReturn-Path: <a@b>\n"),
        (b"Subject: x", b"Subject: x"),
    ],
)
def test_the_return_path_of_the_delivery_before_goes(head: bytes, without: bytes) -> None:
    assert without_return_path(head) == without


def test_no_reason_no_field() -> None:
    assert reason_field("") == b""
    assert reason_field("x\r\ny") == b"X-Dialpost-Reason: for the postmaster because x y\n"
