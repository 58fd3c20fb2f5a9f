"""The IMAP dialogue against a model of a server: the usual session, each way it may differ, and hostile servers."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from cases import cases
from dialpost.core.config.model import TlsMode
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.dialogue import TLS_ADVICE, BoxEvent, BoxMessage, Complete, Ended
from dialpost.core.mail.inbound.imap import listing
from dialpost.core.mail.inbound.imap.client import MOST_UNASKED_BYTES, ImapDialogue
from dialpost.core.mail.inbound.imap.jobs import AHEAD_BYTES, MOST_AHEAD, PIECE_BYTES
from dialpost.core.mail.inbound.imap.phases import Phase
from imap_model import ALL, Answers, Box, ModelImap
from imap_talk import Talk, settings


def message(number: int, size: int = 300, *, head: str = "") -> bytes:
    line = f"{number:06} a line of a message that has a body\r\n".encode()
    text = f"{head}Subject: {number}\r\n\r\n".encode() + line * (size // len(line) + 1)
    return text[: size - 2] + b"\r\n"


def box_of(*sizes: int) -> Box:
    box = Box()
    for number, size in enumerate(sizes, 1):
        box.add(message(number, size))
    return box


def instead(*answers: tuple[str, bytes]) -> Answers:
    """Other answers to the commands that begin like this."""
    return lambda command: next((said for begins, said in answers if command.startswith(begins)), None)


def without(*offers: str) -> tuple[str, ...]:
    return tuple(offer for offer in ALL if offer not in offers)


# The usual session


@cases("step", [1, 3, 100_000])
def test_a_folder_is_emptied(step: int) -> None:
    box = box_of(300, 5000, 150_000)
    contents = {f"7.{stored.uid}": stored.content for stored in box.messages}
    talk = Talk(ModelImap(box), step=step).run()
    assert talk.content == contents
    assert talk.complete == talk.deleted == list(contents)
    assert talk.ended is not None and talk.ended.fate is CollectFate.DONE and not talk.ended.advice
    assert (box.uids, box.expunged, talk.model.violations) == ([], [3, 2, 1], [])
    assert talk.client.is_compressed


def test_five_round_trips_empty_a_folder_of_usual_size() -> None:
    talk = Talk(ModelImap(box_of(*[1200] * 30))).run()
    assert len(talk.deleted) == 30
    assert [line.split()[2] for line in talk.trace if line.startswith("> ")][:3] == ["PLAIN", "SELECT", "COMPRESS"]
    assert talk.round_trips == 5  # login, folder, list, messages, deletion; the farewell rides with the last


def test_an_empty_folder_takes_three_round_trips_and_the_farewell() -> None:
    talk = Talk(ModelImap(Box())).run()
    assert talk.listed is not None and talk.listed.messages == () and talk.listed.is_whole
    assert talk.round_trips == 3
    assert talk.ended is not None and talk.ended.fate is CollectFate.DONE


def test_compression_costs_the_same_messages_a_fraction() -> None:
    sizes = [1200] * 20
    plain, packed = ModelImap(box_of(*sizes), offers=without("COMPRESS=DEFLATE")), ModelImap(box_of(*sizes))
    assert Talk(plain).run().complete == Talk(packed).run().complete
    assert packed.bytes_out * 4 < plain.bytes_out


def test_the_trace_shows_no_secret_and_no_content() -> None:
    talk = Talk(ModelImap(box_of(300))).run()
    assert "> a1 PLAIN ..." in talk.trace
    assert not any("AGFubmEA" in line or "a line of" in line for line in talk.trace)


def test_urgent_messages_are_known_from_the_list() -> None:
    box = Box()
    for head in ("", "X-Priority: 1\r\n", "Precedence: bulk\r\n", "Importance: high\r\n"):
        box.add(message(1, head=head))
    talk = Talk(ModelImap(box)).run()
    assert talk.listed is not None
    assert [found.is_urgent for found in talk.listed.messages] == [False, True, False, True]
    assert talk.listed.messages[0] == BoxMessage("7.1", 300)


def test_headers_are_looked_at_without_the_message() -> None:
    box = box_of(300, 400_000)
    talk = Talk(ModelImap(box), looks=True).run()
    assert talk.headers == {"7.1": b"Subject: 1\r\n\r\n", "7.2": b"Subject: 2\r\n\r\n"}
    assert box.uids == [1, 2]


def test_a_message_goes_on_at_its_byte() -> None:
    box = box_of(100_000)
    talk = Talk(ModelImap(box), offsets={"7.1": 70_000}).run()
    assert talk.content == {"7.1": message(1, 100_000)[70_000:]}
    assert talk.complete == ["7.1"]


def test_a_message_of_any_cut_is_put_together_from_its_bytes() -> None:
    whole = message(1, 3000)
    model = ModelImap(box_of(3000), offers=without("COMPRESS=DEFLATE"))
    length = Talk(model, deletes=False).run().heard
    for cut_at in range(0, length, 37):
        first = Talk(ModelImap(box_of(3000), offers=model.offers), cut_at=cut_at).run()
        kept = first.content.get("7.1", b"")
        rest = Talk(ModelImap(box_of(3000)), offsets={"7.1": len(kept)}).run()
        assert kept + rest.content.get("7.1", b"") == whole
        assert rest.complete == ["7.1"]


# Ways in


def test_without_a_list_in_the_greeting_it_is_asked_for() -> None:
    talk = Talk(ModelImap(box_of(300), hello=b"* OK hello\r\n")).run()
    assert talk.complete == ["7.1"]
    assert talk.model.commands[0] == "CAPABILITY"


def test_without_sasl_ir_the_server_asks_first() -> None:
    talk = Talk(ModelImap(box_of(300), offers=without("SASL-IR"))).run()
    assert talk.complete == ["7.1"] and not talk.model.violations


def test_the_login_command_where_nothing_else_is_offered() -> None:
    talk = Talk(ModelImap(box_of(300), offers=without("AUTH=PLAIN"))).run()
    assert talk.complete == ["7.1"]
    assert talk.model.commands[0] == 'LOGIN "anna" "geheim"'


def test_a_way_that_is_offered_and_not_known_is_followed_by_the_next() -> None:
    model = ModelImap(box_of(300), answers=instead(("AUTHENTICATE", b"%t BAD what\r\n")))
    assert Talk(model).run().complete == ["7.1"]
    assert model.commands[1].startswith("LOGIN")


def test_capabilities_not_told_with_the_login_are_asked_for_with_the_folder() -> None:
    model = ModelImap(box_of(300), hello=b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\r\n")
    usual = model._logged_in
    model._logged_in = lambda tag, *, is_right: usual(tag, is_right=is_right)[:3] + b"OK in\r\n"  # type: ignore[method-assign]
    talk = Talk(model).run()
    assert talk.complete == ["7.1"] and talk.client.is_compressed
    assert model.commands[1:4] == ["CAPABILITY", 'SELECT "INBOX"', "COMPRESS DEFLATE"]


def test_starttls_comes_before_anything_that_matters() -> None:
    model = ModelImap(box_of(300), offers=("STARTTLS", *ALL))
    talk = Talk(model, settings(tls=TlsMode.STARTTLS)).run()
    assert talk.complete == ["7.1"]
    assert model.commands[:2] == ["STARTTLS", "CAPABILITY"]  # what was offered before is forgotten


def test_preauth_inside_tls_goes_straight_to_the_folder() -> None:
    model = ModelImap(box_of(300), hello=b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n")
    model._is_in = True
    assert Talk(model).run().complete == ["7.1"]
    assert model.commands[0] == 'SELECT "INBOX"'


@cases(
    ("changes", "answers", "fate", "words"),
    [
        ({"hello": b"* BYE full\r\n"}, (), CollectFate.NOT_NOW, "BYE full"),
        ({"hello": b"220 mail ESMTP\r\n"}, (), CollectFate.NEEDS_OPERATOR, "greeting is not IMAP"),
        ({"hello": b"* 5 EXISTS\r\n"}, (), CollectFate.NEEDS_OPERATOR, "greeting is not IMAP"),
        ({"hello": b"+ go\r\n"}, (), CollectFate.NEEDS_OPERATOR, "greeting is not IMAP"),
        ({"hello": b"* OK hi\r\n"}, ("CAPABILITY", b"%t NO later\r\n"), CollectFate.NOT_NOW, "NO later"),
        ({"hello": b"* OK hi\r\n"}, ("CAPABILITY", b"+ go\r\n"), CollectFate.CUT, "nothing was begun"),
        ({"password": "x"}, (), CollectFate.LOGIN_REFUSED, "NO Invalid credentials"),
        ({}, ("AUTH", b"%t NO [UNAVAILABLE] db\r\n"), CollectFate.NOT_NOW, "NO db"),
        ({}, ("AUTH", b"%t NO Temporary problem\r\n"), CollectFate.NOT_NOW, "NO Temporary problem"),
        ({}, ("AUTH", b"+ Zm9v\r\n"), CollectFate.CUT, "asks for more than PLAIN"),
        ({}, ("AUTH", b"* BYE too many\r\n"), CollectFate.NOT_NOW, "BYE too many"),
        ({"offers": (*without("AUTH=PLAIN"), "LOGINDISABLED")}, (), CollectFate.NEEDS_OPERATOR, "offers: none"),
        ({}, ("SELECT", b"%t NO [NONEXISTENT] no\r\n"), CollectFate.NEEDS_OPERATOR, "NO no"),
        ({}, ("SELECT", b"%t NO [INUSE] wait\r\n"), CollectFate.NOT_NOW, "NO wait"),
        ({}, ("SELECT", b"%t OK done\r\n"), CollectFate.CUT, "no UIDVALIDITY"),
    ],
)
def test_a_session_that_ends_before_the_list(
    changes: dict[str, object], answers: tuple[str, bytes] | tuple[()], fate: CollectFate, words: str
) -> None:
    changes = {**changes, "answers": instead(*[answers] if answers else [])}
    talk = Talk(ModelImap(box_of(300), **changes)).run()  # type: ignore[arg-type]
    assert talk.ended is not None and talk.ended.fate is fate and words in talk.ended.words
    assert talk.listed is None


@cases(
    ("tls", "changes", "offers", "greeting", "fate", "words"),
    [
        (TlsMode.STARTTLS, {}, ALL, b"* OK [CAPABILITY %c]\r\n", CollectFate.NEEDS_OPERATOR, "not offer STARTTLS"),
        (TlsMode.AUTO, {}, ALL, b"* PREAUTH [CAPABILITY %c]\r\n", CollectFate.NEEDS_OPERATOR, "in without TLS"),
        (TlsMode.NONE, {}, ALL, b"* OK [CAPABILITY %c]\r\n", CollectFate.NEEDS_OPERATOR, "never sent in clear"),
        (
            TlsMode.NONE,
            {"token": "t0ken"},
            ALL,
            b"* OK [CAPABILITY %c]\r\n",
            CollectFate.NEEDS_OPERATOR,
            "only inside TLS",
        ),
        (TlsMode.OPPORTUNISTIC, {"clear_password": True}, ALL, b"* OK [CAPABILITY %c]\r\n", CollectFate.DONE, ""),
        (TlsMode.NONE, {"clear_password": True}, ALL, b"* OK [CAPABILITY %c]\r\n", CollectFate.DONE, ""),
    ],
)
def test_what_tls_allows(
    tls: TlsMode,
    changes: dict[str, object],
    offers: tuple[str, ...],
    greeting: bytes,
    fate: CollectFate,
    words: str,
) -> None:
    talk = Talk(ModelImap(box_of(300), offers=offers, hello=greeting), settings(tls=tls, **changes)).run()
    assert talk.ended is not None and talk.ended.fate is fate and words in talk.ended.words


def test_a_refused_starttls_ends_it_unless_tls_is_opportunistic() -> None:
    refuse = instead(("STARTTLS", b"%t NO not today\r\n"))
    for tls, fate in ((TlsMode.STARTTLS, CollectFate.NEEDS_OPERATOR), (TlsMode.OPPORTUNISTIC, CollectFate.DONE)):
        model = ModelImap(box_of(300), offers=("STARTTLS", *ALL), answers=refuse)
        talk = Talk(model, settings(tls=tls, clear_password=True)).run()
        assert talk.ended is not None and talk.ended.fate is fate


def test_what_comes_with_the_answer_to_starttls_is_not_read() -> None:
    answers = instead(("STARTTLS", b"%t OK begin\r\n* OK [CAPABILITY AUTH=EVIL]\r\n"))
    talk = Talk(ModelImap(Box(), offers=("STARTTLS", *ALL), answers=answers), settings(tls=TlsMode.STARTTLS)).run()
    assert talk.ended is not None and "after STARTTLS" in talk.ended.words


def test_tls_that_fails_is_the_operators_matter() -> None:
    client = ImapDialogue(settings(), tls=True)
    (ended,) = client.tls_failed("the certificate is not acceptable")
    assert isinstance(ended, Ended) and (ended.fate, ended.advice) == (CollectFate.NEEDS_OPERATOR, TLS_ADVICE)
    assert client.receive(b"* OK\r\n") == client.tls_established(verified=True) == []


def test_scram_without_the_servers_proof_is_no_login() -> None:
    model = ModelImap(
        Box(), offers=("AUTH=SCRAM-SHA-256", "LOGINDISABLED"), answers=instead(("AUTH", b"%t OK in\r\n"))
    )
    talk = Talk(model, settings(nonce="n0nce")).run()
    assert talk.ended is not None and "does not prove" in talk.ended.words


# What a folder may do


def test_a_folder_of_many_is_listed_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SLICE_MESSAGES", 10)
    box = box_of(*[100] * 45)
    del box.messages[5:9]
    talk = Talk(ModelImap(box), wants=lambda message: False).run()
    assert talk.listed is not None and talk.listed.is_whole
    assert [found.uid for found in talk.listed.messages] == [f"7.{uid}" for uid in box.uids]
    assert len([line for line in talk.model.commands if "RFC822.SIZE" in line]) == 5


def test_numbers_far_apart_take_few_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SLICE_MESSAGES", 10)
    box = Box()
    for number in range(12):
        box.uid_next = 1 + number * 100_000_000
        box.add(message(number))
    box.uid_next = 4_000_000_000
    talk = Talk(ModelImap(box), wants=lambda message: False).run()
    assert talk.listed is not None and len(talk.listed.messages) == 12
    assert len(talk.model.commands) < 40


def test_numbers_close_together_narrow_the_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SLICE_MESSAGES", 10)
    box = Box(uid_next=2000)
    for number in range(200):
        box.add(message(number, 100))
    talk = Talk(ModelImap(box), wants=lambda message: False).run()
    assert talk.listed is not None and len(talk.listed.messages) == 200


def test_no_more_than_a_session_can_hold_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SLICE_MESSAGES", 10)
    monkeypatch.setattr(listing, "MOST_MESSAGES", 15)
    talk = Talk(ModelImap(box_of(*[100] * 45)), wants=lambda message: False).run()
    assert talk.listed is not None and len(talk.listed.messages) == 15 and not talk.listed.is_whole


def test_a_server_that_does_not_say_uidnext() -> None:
    answers = instead(("SELECT", b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n%t OK in\r\n"))
    model = ModelImap(box_of(300, 400), answers=answers)
    model._is_selected = True
    assert Talk(model).run().complete == ["7.1", "7.2"]
    assert model.commands[3].startswith("UID FETCH 1:* ")


@cases(
    ("line", "skipped"),
    [
        (b"* 1 FETCH (UID x RFC822.SIZE 5)\r\n", True),
        (b"* 1 FETCH (UID 1 RFC822.SIZE -5)\r\n", True),
        (b"* 1 FETCH (UID 1 RFC822.SIZE 5 ))\r\n", True),
        (b"* 1 FETCH (FLAGS (\\Seen))\r\n", False),
        (b"* 1 FETCH (UID 99 RFC822.SIZE 5)\r\n", False),  # was not asked for
        (b"* 1 FETCH (UID 2 RFC822.SIZE 5)\r\n* 1 FETCH (UID 2 RFC822.SIZE 5)\r\n", False),  # twice, and backwards
    ],
)
def test_a_line_of_the_list_that_is_wrong_skips_one_message(line: bytes, skipped: bool) -> None:
    box = box_of(300, 301)
    model = ModelImap(box)
    usual = model._one(2, box.messages[1], "RFC822.SIZE")
    model.answers = instead(("UID FETCH 1:2", line + usual + b"%t OK done\r\n"))
    talk = Talk(model).run()
    assert talk.complete == ["7.2"]
    assert talk.listed is not None and bool(talk.listed.skipped) is skipped is not talk.listed.is_whole


def test_a_list_that_is_refused_is_told() -> None:
    talk = Talk(ModelImap(box_of(300), answers=instead(("UID FETCH 1:1", b"%t NO index\r\n")))).run()
    assert talk.listed is not None
    assert talk.listed.skipped == ("some messages were not listed: NO index",) and not talk.listed.is_whole


@cases(
    ("answer", "words"),
    [
        (b"%t NO [SERVERBUG] can't read it\r\n", "NO can't read it"),
        (b"%t BAD what\r\n", "BAD what"),
        (b"%t OK done\r\n", "no longer there"),  # expunged meanwhile
        (b"* 1 FETCH (UID 1 BODY[]<0> NIL)\r\n%t OK done\r\n", "no longer there"),
        (b'* 1 FETCH (UID 1 BODY[]<0> "")\r\n%t OK done\r\n', "hands out nothing"),
        (b"* 1 FETCH (UID 1 BODY[]<5> {3}\r\nabc)\r\n%t OK done\r\n", "no longer there"),
        (b"* 1 FETCH (UID 9 BODY[]<0> {3}\r\nabc)\r\n%t OK done\r\n", "no longer there"),
        (b"* 1 FETCH (BODY[]<0> {3}\r\nabc UID 9)\r\n%t OK done\r\n", "no longer there"),
    ],
)
def test_one_message_that_can_not_be_served_is_skipped(answer: bytes, words: str) -> None:
    box = box_of(20_000, 400)  # the first is asked for alone
    talk = Talk(ModelImap(box, answers=instead(("UID FETCH 1 ", answer)))).run()
    assert list(talk.failed) == ["7.1"] and words in talk.failed["7.1"]
    assert (talk.complete, box.uids) == (["7.2"], [1])


@cases(
    ("answer", "words"),
    [
        (b"%t NO later\r\n", "NO later"),
        (b"%t OK done\r\n", "no longer there"),
        (b"* 1 FETCH (UID 1 BODY[HEADER]<0> NIL)\r\n%t OK done\r\n", "no longer there"),
    ],
)
def test_a_header_that_can_not_be_served_is_told(answer: bytes, words: str) -> None:
    talk = Talk(ModelImap(box_of(300, 400), answers=instead(("UID FETCH 1 ", answer))), looks=True).run()
    assert list(talk.failed) == ["7.1"] and words in talk.failed["7.1"]
    assert list(talk.headers) == ["7.2"]


def test_a_header_that_comes_twice_counts_once() -> None:
    answer = (
        b"* 1 FETCH (UID 1 BODY[HEADER]<0> {2}\r\nab)\r\n* 1 FETCH (UID 1 BODY[HEADER]<0> {2}\r\ncd)\r\n%t OK\r\n"
    )
    talk = Talk(ModelImap(box_of(300), answers=instead(("UID FETCH 1 ", answer))), looks=True).run()
    assert talk.headers == {"7.1": b"ab"}


@cases("step", [1, 100_000])
def test_a_server_that_names_the_message_after_its_content(step: int) -> None:
    box = box_of(300, 90_000)
    contents = {f"7.{stored.uid}": stored.content for stored in box.messages}
    talk = Talk(ModelImap(box, uid_is_last=True), step=step).run()
    assert talk.content == contents and talk.complete == list(contents)


def test_content_in_quotes_and_without_its_origin() -> None:
    answer = b'* 1 FETCH (UID 1 BODY[] "abc")\r\n%t OK done\r\n'
    box = Box()
    box.add(b"abc")
    talk = Talk(ModelImap(box, answers=instead(("UID FETCH 1 ", answer)))).run()
    assert talk.content == {"7.1": b"abc"} and talk.complete == ["7.1"]


@cases("said", [100, 200, 5000, 200_000])
def test_a_size_that_the_server_only_estimates(said: int) -> None:
    box = box_of(300, 400)
    box.add(message(3, 150_000), size=said)
    box.add(message(4, 700))
    contents = {f"7.{stored.uid}": stored.content for stored in box.messages}
    talk = Talk(ModelImap(box)).run()
    assert talk.content == contents and sorted(talk.complete) == list(contents)
    assert box.uids == []


def test_several_pieces_of_a_refused_message_fail_once() -> None:
    box = box_of(200_000, 300)
    begun = b"* 1 FETCH (UID 1 BODY[]<0> {3}\r\nabc)\r\n%t OK done\r\n"
    later = f"UID FETCH 1 (UID BODY.PEEK[]<{PIECE_BYTES}"
    answers = instead((later, b"%t NO gone\r\n"), ("UID FETCH 1 (UID BODY.PEEK[]<0", begun))
    talk = Talk(ModelImap(box, answers=answers)).run()
    assert list(talk.failed) == ["7.1"] and talk.complete == ["7.2"]
    assert talk.content["7.1"] == b"abc"


def fetches(model: ModelImap) -> list[str]:
    return [line.split(" (")[0] for line in model.commands if "BODY.PEEK[]" in line]


def test_small_messages_are_asked_for_together() -> None:
    model = ModelImap(box_of(*[1200] * 30, 20_000, 300, 300))
    talk = Talk(model).run()
    assert len(talk.complete) == 33 and model.box.uids == []
    assert fetches(model) == ["UID FETCH 1:27", "UID FETCH 28:30", "UID FETCH 31", "UID FETCH 32:33"]


def test_urgent_messages_do_not_wait_for_others() -> None:
    box = box_of(300, 300)
    box.add(message(3, head="Priority: urgent\r\n"))
    model = ModelImap(box)
    talk = Talk(model, is_urgent_first=True).run()
    assert fetches(model) == ["UID FETCH 3", "UID FETCH 1:2"] and talk.complete[0] == "7.3"


def test_of_messages_that_are_refused_together_each_is_asked_for_alone() -> None:
    box = box_of(300, 400, 500)
    refused = instead(("UID FETCH 1:3 (UID BODY", b"%t NO some\r\n"), ("UID FETCH 2 ", b"%t NO broken\r\n"))
    talk = Talk(ModelImap(box, answers=refused)).run()
    assert talk.failed == {"7.2": "NO broken"} and talk.complete == ["7.1", "7.3"]
    assert box.uids == [2]


def test_what_came_before_a_common_refusal_is_not_asked_for_twice() -> None:
    box = box_of(300, 400)
    model = ModelImap(box)
    first = model._one(1, box.messages[0], "BODY.PEEK[]<0.401>")
    model.answers = instead(("UID FETCH 1:2 (UID BODY", first + b"%t NO some\r\n"))
    talk = Talk(model).run()
    assert talk.complete == ["7.1", "7.2"] and talk.content["7.1"] == message(1, 300)
    assert fetches(model) == ["UID FETCH 1:2", "UID FETCH 2"]


def test_of_messages_asked_for_together_one_may_be_gone_and_one_of_another_size() -> None:
    box = box_of(300, 400)
    box.add(message(3, 900), size=200)
    model = ModelImap(box)
    usual = model._fetch

    def without_the_second(tag: str, argument: str) -> bytes:
        if "BODY.PEEK[]" in argument:
            box.messages = [stored for stored in box.messages if stored.uid != 2]
        return usual(tag, argument)

    model._fetch = without_the_second  # type: ignore[method-assign]
    talk = Talk(model).run()
    assert list(talk.failed) == ["7.2"] and "no longer there" in talk.failed["7.2"]
    assert talk.content == {"7.1": message(1, 300), "7.3": message(3, 900)}
    assert sorted(talk.complete) == ["7.1", "7.3"]


def test_a_window_of_commands_is_not_passed() -> None:
    model = ModelImap(box_of(*[17_000] * 60))
    talk = Talk(model)
    model.answers = lambda command: most.append(len(talk.client._wire.asked))
    most: list[int] = []
    assert len(talk.run().complete) == 60
    assert max(most) <= MOST_AHEAD


def test_no_more_is_asked_for_than_the_window_holds() -> None:
    box = box_of(*[100_000] * 12)
    talk = Talk(ModelImap(box))
    most = 0

    def note(command: str) -> None:
        nonlocal most
        ahead = sum(one.due - one.came for asked in talk.client._wire.asked.values() for one in asked.pieces)
        most = max(most, ahead)

    talk.model.answers = note
    assert len(talk.run().complete) == 12
    assert AHEAD_BYTES <= most < AHEAD_BYTES + PIECE_BYTES


# Deletion


def test_without_uidplus_nobody_elses_deletion_is_carried_out() -> None:
    box = box_of(300, 400)
    box.messages[0].is_deleted = True
    model = ModelImap(box, offers=without("UIDPLUS"))
    talk = Talk(model, wants=lambda message: message.uid == "7.2").run()
    assert (box.uids, talk.deleted, model.violations) == ([1, 2], [], [])
    assert box.messages[1].is_deleted
    assert talk.ended is not None and talk.ended.fate is CollectFate.DONE and "UIDPLUS" in talk.ended.advice


def test_without_uidplus_what_is_only_ours_is_expunged() -> None:
    box = box_of(300, 400, 500)
    model = ModelImap(box, offers=without("UIDPLUS"))
    talk = Talk(model, wants=lambda message: message.uid != "7.2").run()
    assert (box.uids, talk.deleted, model.violations) == ([2], ["7.1", "7.3"], [])


def test_many_are_deleted_in_batches() -> None:
    talk = Talk(ModelImap(box_of(*[60] * 450))).run()
    assert len(talk.deleted) == 450
    batches = [line for line in talk.model.commands if line.startswith("UID EXPUNGE")]
    assert batches == ["UID EXPUNGE 1:200", "UID EXPUNGE 201:400", "UID EXPUNGE 401:450"]


def test_the_deletion_of_a_few_waits_for_company() -> None:
    model = ModelImap(box_of(*[60] * 60))
    talk = Talk(model, deletes=False)
    note = talk._note

    def note_and_delete(event: BoxEvent) -> None:
        note(event)
        if isinstance(event, Complete):
            talk.client.delete([event.uid])

    talk._note = note_and_delete  # type: ignore[method-assign]
    assert len(talk.run().deleted) == 60
    assert [line for line in model.commands if "EXPUNGE" in line] == ["UID EXPUNGE 1:50", "UID EXPUNGE 51:60"]


def test_a_read_only_folder_is_left_as_it_is() -> None:
    model = ModelImap(box_of(300))
    usual = model._select
    model._select = lambda tag, _: usual(tag, _).replace(b"READ-WRITE", b"READ-ONLY")  # type: ignore[method-assign]
    talk = Talk(model).run()
    assert talk.complete == ["7.1"] and talk.deleted == [] and model.box.uids == [1]
    assert talk.ended is not None and "read-only" in talk.ended.advice


@cases("command", ["UID STORE", "UID EXPUNGE"])
def test_a_refused_deletion_is_told(command: str) -> None:
    talk = Talk(ModelImap(box_of(300), answers=instead((command, b"%t NO quota\r\n")))).run()
    assert talk.complete == ["7.1"] and (talk.deleted == []) is (command == "UID EXPUNGE")
    assert talk.ended is not None and "NO quota" in talk.ended.advice


# Ends


def test_a_farewell_out_of_turn_cuts_the_session() -> None:
    talk = Talk(ModelImap(box_of(300), answers=instead(("UID STORE", b"* BYE restart\r\n")))).run()
    assert talk.ended is not None and talk.ended.fate is CollectFate.CUT and talk.ended.words == "BYE restart"
    assert talk.deleted == []


@cases("farewell", [b"", b"* BYE internal error\r\n"])
def test_a_message_at_which_the_server_gives_up_is_named(farewell: bytes) -> None:
    box = box_of(300, 400, 500)
    model = ModelImap(box)
    first = model._one(1, box.messages[0], "BODY.PEEK[]<0.501>")

    def give_up(command: str) -> bytes | None:
        if "BODY.PEEK[]" not in command:
            return None
        model.closed = True
        return first + farewell

    model.answers = give_up
    talk = Talk(model).run()
    words = farewell[2:].decode().strip() or "the server closed the connection"
    assert talk.failed == {"7.2": words} and talk.content == {"7.1": message(1, 300)}
    assert talk.ended == Ended(CollectFate.CUT, words)


def test_a_message_that_has_begun_to_come_is_not_blamed() -> None:
    box = box_of(200_000)
    model = ModelImap(box, offers=without("COMPRESS=DEFLATE"))
    first = model._one(1, box.messages[0], f"BODY.PEEK[]<0.{PIECE_BYTES}>") + b"%t OK done\r\n* BYE enough\r\n"
    model.answers = instead(("UID FETCH 1 (UID BODY", first))
    talk = Talk(model).run()
    assert talk.failed == {} and len(talk.content["7.1"]) == PIECE_BYTES


def test_a_server_that_closes_the_connection() -> None:
    client = ImapDialogue(settings(), tls=True)
    (ended,) = client.eof()
    assert getattr(ended, "words", "") == "the server closed the connection"
    assert client.eof() == client.failed("x") == [] and client.data_to_send() == b""


def test_what_is_waited_for() -> None:
    client = ImapDialogue(settings(tls=TlsMode.STARTTLS))
    assert not client.can_ask
    waits = [client.waiting_for]
    client.receive(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n")
    waits.append(client.waiting_for)
    client.receive(b"a1 OK begin\r\n")
    assert client.phase is Phase.HANDSHAKE and client.waiting_for is None
    assert [wait.what for wait in waits if wait] == ["our connection", "STARTTLS"]


def test_an_open_folder_that_is_asked_nothing_waits_for_us() -> None:
    client = ImapDialogue(settings(), tls=True, verified=True)
    model = ModelImap(box_of(300))
    said = model.greeting()
    while not client.can_ask:
        client.receive(said)
        waits = client.waiting_for
        said = model.receive(client.data_to_send())
    assert waits is not None or client.waiting_for is None
    client.fetch("7.1")
    client.data_to_send()
    assert client.waiting_for is not None and client.waiting_for.what == "a message"


# Hostile servers


def flood(line: bytes) -> Callable[[bytes], bytes]:
    return lambda rest: line * (MOST_UNASKED_BYTES // len(line) + 2) + rest


@cases(
    ("command", "answer", "words"),
    [
        ("UID FETCH 1 ", b"zz OK done\r\n", "was not asked"),
        ("UID FETCH 1 ", b"a1 OK done\r\n", "was not asked"),
        ("UID FETCH 1 ", b"%t FETCH done\r\n", "was not asked"),
        ("UID FETCH 1 ", b"+ go\r\n", "nothing was begun"),
        ("UID FETCH 1 ", b"* 1 FETCH (UID 1 BODY[]<0> {4294967296}\r\n", "more of a message"),
        ("UID FETCH 1 ", b'* 1 FETCH (UID 1 BODY[]<0> "' + b"x" * 400 + b'")\r\n', "more of a message"),
        ("UID FETCH 1 ", b"* 1 FETCH (BODY[]<0> {4294967296}\r\n", "more of a message"),
        ("UID FETCH 1 ", b"* 1 FETCH (UID 9 BODY[]<0> {4294967296}\r\n", "nobody asked for"),
        ("UID FETCH 1 ", b"* 1 FETCH (UID 1 BODY[TEXT] {4294967296}\r\n", "announces 4294967296"),
        ("UID FETCH 1 ", b"* 1 FETCH (UID x BODY[]<0> {3}\r\n", "no number"),
        ("UID FETCH 1 ", b"* 1 FETCH ))\r\n", "did not open"),
        ("UID FETCH 1 ", b"* 1 EXPUNGE\r\n" * 30_000, "nobody asked for"),
        ("UID FETCH 1 ", b"* 1 FETCH (UID 1 FLAGS ())\r\n" * 20_000, "nobody asked for"),
        ("UID FETCH 1 ", b"x" * 70_000, "without end"),
        ("UID FETCH 1 ", b"\r\n", "not IMAP"),
        ("UID FETCH 1:", b"* 1 FETCH (UID x RFC822.SIZE 1)\r\n" * 200, "no number"),
        (
            "UID FETCH 1:",
            b"".join(b"* 1 FETCH (UID %d RFC822.SIZE 1)\r\n" % n for n in range(20_000)),
            "nobody asked",
        ),
        ("SELECT", b"* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n", "not asked for"),
        ("SELECT", b"* 1 EXISTS\r\n" * 30_000, "nobody asked for"),
        ("COMPRESS", b"%t OK compressed\r\n\xff\xff\xff", "compression is broken"),
    ],
)
def test_a_hostile_server_ends_the_session_with_a_reason(command: str, answer: bytes, words: str) -> None:
    offers = ALL if command == "COMPRESS" else without("COMPRESS=DEFLATE")
    talk = Talk(ModelImap(box_of(300), offers=offers, answers=instead((command, answer)))).run()
    assert talk.ended is not None and talk.ended.fate is CollectFate.CUT and words in talk.ended.words
    assert talk.complete == []


def test_a_bomb_is_an_endless_line_like_any_other() -> None:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = stream.compress(b"x" * 50_000_000) + stream.flush(zlib.Z_SYNC_FLUSH)
    answers = instead(("COMPRESS", b"%t OK compressed\r\n" + bomb))
    talk = Talk(ModelImap(box_of(300), answers=answers)).run()
    assert talk.ended is not None and "without end" in talk.ended.words


def test_expunges_are_expected_where_we_asked_for_them() -> None:
    talk = Talk(ModelImap(box_of(*[60] * 300))).run()
    assert talk.client._unasked_bytes < 500
