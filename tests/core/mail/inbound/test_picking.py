"""What to do with each message of a box."""

from __future__ import annotations

from dialpost.core.mail.inbound.boxes import BoxNote, BoxState, BoxUid
from dialpost.core.mail.inbound.dialogue import BoxMessage, Listed
from dialpost.core.mail.inbound.picking import MOST_TRIES, Limits, failed_once_more, hold_words, pick

LIMITS = Limits(10_000, 1000)


def of(state: BoxState, size: int = 500, **more: object) -> BoxNote:
    return BoxNote(state, size, **more)  # type: ignore[arg-type]


def test_urgent_and_small_ones_come_first_and_those_that_failed_last() -> None:
    messages = (
        BoxMessage("tried", 1),
        BoxMessage("long", 900),
        BoxMessage("short", 5),
        BoxMessage("now", 999, True),
    )
    picked = pick(Listed(messages), {"tried": of(BoxState.TRIED, 1, tries=1)}, LIMITS)
    assert [message.uid for message in picked.fetch] == ["now", "short", "long", "tried"]


def test_each_note_has_its_consequence() -> None:
    notes = {
        "taken": of(BoxState.TAKEN),
        "reused": of(BoxState.TAKEN, 77),
        "unwanted": of(BoxState.UNWANTED),
        "wanted": of(BoxState.WANTED, 50_000),
        "held": of(BoxState.HELD, why="loop", is_told=True),
        "was big": of(BoxState.HELD, is_told=True),
        "gone": of(BoxState.HELD),
        "deleted": of(BoxState.TAKEN),
    }
    sizes = dict.fromkeys(notes.keys() - {"gone", "deleted"}, 500) | {"wanted": 50_000, "big": 2000, "huge": 20_000}
    messages = tuple(BoxMessage(uid, size) for uid, size in sizes.items())
    picked = pick(Listed(messages), notes, LIMITS)
    assert {message.uid for message in picked.fetch} == {"reused", "wanted", "was big"}
    assert {message.uid for message in picked.look} == {"big", "huge"}
    assert picked.held == 3
    assert set(picked.delete) == {"taken", "unwanted"}
    assert (set(picked.forget), picked.gone) == ({"gone", "deleted"}, ("gone",))


def test_a_list_that_is_not_whole_forgets_nothing() -> None:
    picked = pick(Listed((), is_whole=False), {"held": of(BoxState.HELD)}, LIMITS)
    assert (picked.forget, picked.gone) == ((), ())


def test_with_an_open_window_only_the_stations_limit_holds() -> None:
    picked = pick(Listed((BoxMessage("big", 2000), BoxMessage("huge", 20_000))), {}, Limits(10_000, None))
    assert ([one.uid for one in picked.fetch], [one.uid for one in picked.look]) == (["big"], ["huge"])


def test_what_fails_again_and_again_is_held() -> None:
    note = None
    for number in range(1, MOST_TRIES + 1):
        note = failed_once_more(note, 5, "cut", 9)
        assert (note.tries, note.noted_s) == (number, 9)
        assert note.state is (BoxState.HELD if number == MOST_TRIES else BoxState.TRIED)
    assert note is not None and note.why == "fetching it failed 5 times: cut"
    wanted = failed_once_more(of(BoxState.WANTED), 500, "cut", 9)
    assert (wanted.state, wanted.tries) == (BoxState.WANTED, 1), "the operator's wish outlives a cut"


def test_why_it_is_held_in_words() -> None:
    assert hold_words(of(BoxState.HELD, why="loop"), LIMITS, "") == "loop"
    assert "smtp.max_message_bytes" in hold_words(BoxMessage("u", 20_000), LIMITS, "")
    assert "between 22:00 and 06:00" in hold_words(BoxMessage("u", 2000), LIMITS, "between 22:00 and 06:00")
    assert "by hand" in hold_words(of(BoxState.HELD, 2000), LIMITS, "")


def test_a_short_name_is_the_boxs_and_the_uids() -> None:
    names = {BoxUid(box, uid, 0).short for box in ("a", "b") for uid in ("1", "2")}
    assert len(names) == 4 and all(len(name) == 8 for name in names)
