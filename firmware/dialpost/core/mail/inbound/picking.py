"""Which messages of a box to fetch, to look at, to delete and to forget, from what it lists and what is noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dialpost.core.amounts import size_words
from dialpost.core.mail.inbound.boxes import BoxNote, BoxState
from dialpost.core.mail.inbound.dialogue import BoxMessage, Listed

MOST_TRIES = 5
"""A message whose fetch failed this often is held: it may be what breaks the session, and each try costs money."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`most_bytes`: what the station accepts at all; `big_bytes`: what may come at this hour, None for any size."""

    most_bytes: int
    big_bytes: int | None


@dataclass(frozen=True, slots=True)
class Pick:
    """What to do in a session. `fetch` is in the order in which to do it; `look`: held now, and nobody knows yet.

    `delete`: taken before, or unwanted. `forget`: no longer in the box. `gone`: those of them that should be
    there: somebody else empties the box.
    """

    fetch: tuple[BoxMessage, ...]
    look: tuple[BoxMessage, ...]
    held: int
    delete: tuple[str, ...]
    forget: tuple[str, ...]
    gone: tuple[str, ...]


def pick(listed: Listed, notes: Mapping[str, BoxNote], limits: Limits) -> Pick:
    """Decide for every message listed."""
    fetch: list[tuple[int, BoxMessage]] = []
    look: list[BoxMessage] = []
    delete: list[str] = []
    held = 0
    for message in listed.messages:
        note = notes.get(message.uid)
        if note is not None and note.state is BoxState.TAKEN and note.size not in {0, message.size}:
            note = None  # another message under the same UID
        if note is not None and note.state in {BoxState.TAKEN, BoxState.UNWANTED}:
            delete.append(message.uid)
        elif is_held(message, note, limits):
            held += 1
            if note is None or not note.is_told:
                look.append(message)
        else:
            fetch.append((0 if note is None else note.tries, message))
    fetch.sort(key=lambda one: (one[0], not one[1].is_urgent, one[1].size))
    forget = tuple(notes.keys() - {message.uid for message in listed.messages}) if listed.is_whole else ()
    gone = tuple(uid for uid in forget if notes[uid].state in {BoxState.HELD, BoxState.WANTED})
    return Pick(tuple(message for _, message in fetch), tuple(look), held, tuple(delete), forget, gone)


def is_held(message: BoxMessage, note: BoxNote | None, limits: Limits) -> bool:
    """Whether it stays in the box for now."""
    if note is not None and note.state is BoxState.WANTED:
        return False
    if note is not None and note.state is BoxState.HELD and note.why:
        return True
    return message.size > limits.most_bytes or (limits.big_bytes is not None and message.size > limits.big_bytes)


def failed_once_more(note: BoxNote | None, size: int, words: str, now_s: int) -> BoxNote:
    """The note about a message whose fetch failed."""
    before = note or BoxNote(BoxState.TRIED, size)
    state = before.state if before.state is BoxState.WANTED else BoxState.TRIED
    tried = replace(before, state=state, size=size, tries=before.tries + 1, noted_s=now_s)
    if tried.tries < MOST_TRIES:
        return tried
    return replace(tried, state=BoxState.HELD, why=f"fetching it failed {MOST_TRIES} times: {words}")


def hold_words(message: BoxMessage | BoxNote, limits: Limits, when: str) -> str:
    """Why it is held; `when`: the hours of big messages, "" if there are none."""
    if isinstance(message, BoxNote) and message.why:
        return message.why
    if message.size > limits.most_bytes:
        return f"larger than the station accepts (smtp.max_message_bytes, {size_words(limits.most_bytes)})"
    goes = f"comes {when}, or when" if when else "comes when"
    return f"big, and the line is expensive: it {goes} it is fetched by hand"
